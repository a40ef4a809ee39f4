package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// serverSetFormat is the JSON of a member of Twitter's server sets.
type serverSetFormat struct{ plainNames }

const (
	httpsEndpoint = "https"
	shardEntry    = "shard"
)

var (
	serverSetKeys = []string{"serviceEndpoint", "additionalEndpoints", "status", "shard", "metadata"}
	memberName    = regexp.MustCompile(`^member_-?\d{10}$`)
)

// firstMember is larger than the first thousand million numbers that a server assigns
// to sequential nodes. So a member keeps its name in the next session, and no
// sequential node gets it before that.
const firstMember = 1_000_000_000

func (serverSetFormat) newID(string) string {
	return fmt.Sprintf("member_%010d", firstMember+rand.Int32N(math.MaxInt32-firstMember))
}

func (serverSetFormat) node(id string) (string, error) {
	if !memberName.MatchString(id) {
		return "", invalid("the instance id %q is not member_ and ten digits", id)
	}
	return id, nil
}

// skips reports whether a node is not meant to be a member: Finagle stores the weights
// of members in nodes named vector_NUMBER.
func (serverSetFormat) skips(name string) bool { return strings.HasPrefix(name, "vector_") }

func (serverSetFormat) complete(in *Instance) error {
	if err := in.refuse(ServerSet, serverSetKeys, "Payload", "URISpec"); err != nil {
		return err
	}
	if _, ok := in.Meta[shardEntry]; !ok {
		meta := maps.Clone(in.Meta)
		if meta == nil {
			meta = make(map[string]string)
		}
		meta[shardEntry] = "0"
		in.Meta = meta
	}
	if _, err := strconv.ParseInt(in.Meta[shardEntry], 10, 32); err != nil {
		return invalid("shard %q: not a number", in.Meta[shardEntry])
	}
	https := ""
	if in.TLSPort != 0 {
		https = net.JoinHostPort(in.host(), strconv.Itoa(in.TLSPort))
	}
	seen := make(map[string]bool)
	for _, e := range in.Endpoints {
		name, addr, ok := strings.Cut(e, "://")
		if !ok || name == "" || seen[name] {
			return invalid("endpoint %q: not of the form name://host:port, or the name is used twice", e)
		}
		seen[name] = true
		if err := checkAddr(addr); err != nil {
			return err
		}
		if name == httpsEndpoint && https != "" {
			return invalid("endpoint %q: TLSPort is the endpoint of that name", e)
		}
	}
	in.Registered = time.Time{}
	_, err := in.entries(versionEntry, weightEntry)
	return err
}

func (serverSetFormat) encode(in Instance, old object) object {
	additional := object{}
	for _, e := range in.Endpoints {
		name, addr, _ := strings.Cut(e, "://")
		additional.set(name, memberEndpoint(addr))
	}
	if in.TLSPort != 0 {
		additional.set(httpsEndpoint, memberEndpoint(net.JoinHostPort(in.host(), strconv.Itoa(in.TLSPort))))
	}
	status := "ALIVE"
	if in.Disabled {
		status = "STOPPED"
	}
	entries, _ := in.entries(versionEntry, weightEntry)
	shard, _ := strconv.Atoi(entries[shardEntry])
	delete(entries, shardEntry)
	o := object{
		{"serviceEndpoint", memberEndpoint(in.Addr)},
		{"additionalEndpoints", additional.encode()},
		{"status", quote(status)},
		{"shard", digits(shard)},
	}
	if len(entries) > 0 {
		o.set("metadata", quoteAll(entries))
	}
	o.copyOthers(old, serverSetKeys...)
	o.setAll(in.Extra)
	return o
}

// memberEndpoint encodes an address that has been checked.
func memberEndpoint(addr string) json.RawMessage {
	host, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	return object{{"host", quote(host)}, {"port", digits(n)}}.encode()
}

func (serverSetFormat) decode(name string, o object) ([]Instance, error) {
	d := decoder{object: o}
	disabled := !slices.Contains([]string{"", "ALIVE", "WARNING"}, d.text("status"))
	shard := d.number("shard")
	in := Instance{ID: name, Disabled: disabled, Meta: d.texts("metadata")}
	if d.err != nil {
		return nil, d.err
	}
	in.take(versionEntry, weightEntry)
	if in.Meta == nil {
		in.Meta = make(map[string]string)
	}
	in.Meta[shardEntry] = strconv.FormatInt(shard, 10)
	var err error
	if in.Addr, err = decodeEndpoint(o.get("serviceEndpoint")); err != nil {
		return nil, fmt.Errorf("serviceEndpoint: %w", err)
	}
	if err := in.additional(o.get("additionalEndpoints")); err != nil {
		return nil, fmt.Errorf("additionalEndpoints: %w", err)
	}
	in.Extra = o.others(serverSetKeys...)
	return []Instance{in}, nil
}

// additional decodes the named endpoints.
func (in *Instance) additional(data json.RawMessage) error {
	if data == nil || string(data) == "[]" { // which some programs write for no endpoints
		return nil
	}
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	slices.SortFunc(o, func(a, b member) int { return strings.Compare(a.key, b.key) })
	for _, m := range o {
		addr, err := decodeEndpoint(m.value)
		if err != nil {
			return fmt.Errorf("%s: %w", m.key, err)
		}
		host, port, _ := net.SplitHostPort(addr)
		if m.key == httpsEndpoint && host == in.host() {
			in.TLSPort, _ = strconv.Atoi(port)
			continue
		}
		in.Endpoints = append(in.Endpoints, m.key+"://"+addr)
	}
	return nil
}

func decodeEndpoint(data json.RawMessage) (string, error) {
	if data == nil {
		return "", errors.New("missing")
	}
	o, err := parseObject(data)
	if err != nil {
		return "", err
	}
	d := decoder{object: o}
	host, port := d.required("host"), d.port("port")
	return joinHostPort(host, port), d.err
}
