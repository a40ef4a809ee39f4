package registry

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zkrecipes/zkrecipes/session"
)

// Instance is one instance of a service. Each Layout documents which fields it can
// store; the other fields must be empty when an instance is registered.
type Instance struct {
	Service string
	// ID names the instance within the service. If it is empty, Register generates
	// one.
	ID string
	// Addr is the address of the instance, host:port. If another library registered
	// the instance, Addr may lack the port or be empty.
	Addr string
	// TLSPort is the port for TLS on the same host, 0 if there is none.
	TLSPort int
	Version string
	// Weight is the instance's share of the load relative to other instances, at most
	// math.MaxInt32; 0 means 1.
	Weight int
	// Disabled marks an instance that is temporarily not to be used. A Resolver does
	// not pick it; Lookup and Watch return it.
	Disabled bool
	Meta     map[string]string
	// Endpoints are URLs without a path: scheme://host:port.
	Endpoints []string
	// Payload is Curator's payload, in JSON. Its string entries are in Meta as well;
	// when an instance is written, a Meta that is not nil replaces them.
	Payload json.RawMessage
	// URISpec is a template of the instance's URI; see URI.
	URISpec string
	// Registered is the time of the registration. Register sets it if the layout has
	// it.
	Registered time.Time
	// Extra has the keys of the node's JSON that have no meaning in the layout. They
	// are written back. In an update, a nil value removes a key, and absent keys stay.
	Extra map[string]json.RawMessage
}

// clone returns a deep copy.
func (in Instance) clone() Instance {
	in.Meta, in.Endpoints = maps.Clone(in.Meta), slices.Clone(in.Endpoints)
	in.Payload, in.Extra = slices.Clone(in.Payload), maps.Clone(in.Extra)
	return in
}

// weight returns the weight that pickers use.
func (in *Instance) weight() int { return max(in.Weight, 1) }

// hostPort splits Addr. An address without a port is all host.
func (in *Instance) hostPort() (host, port string) {
	host, port, err := net.SplitHostPort(in.Addr)
	if err != nil {
		return in.Addr, ""
	}
	return host, port
}

// host and port return the parts of Addr, which has been checked.
func (in *Instance) host() string { host, _ := in.hostPort(); return host }

func (in *Instance) port() int {
	_, port := in.hostPort()
	n, _ := strconv.Atoi(port)
	return n
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", session.ErrInvalid, fmt.Sprintf(format, args...))
}

// check refuses what no layout can store.
func (in *Instance) check() error {
	if err := checkAddr(in.Addr); err != nil {
		return err
	}
	switch {
	case in.TLSPort < 0 || in.TLSPort > 65535:
		return invalid("TLS port %d", in.TLSPort)
	case in.Weight < 0 || in.Weight > math.MaxInt32:
		return invalid("weight %d", in.Weight)
	}
	for key, value := range in.Meta {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return invalid("metadata %q: %q is not UTF-8", key, value)
		}
	}
	for _, s := range append([]string{in.Service, in.ID, in.Addr, in.Version, in.URISpec}, in.Endpoints...) {
		if !utf8.ValidString(s) {
			return invalid("%q is not UTF-8", s)
		}
	}
	for key, value := range in.Extra {
		if value != nil && !isJSON(value) || !utf8.ValidString(key) {
			return invalid("extra key %q: not JSON", key)
		}
	}
	if in.Payload != nil && !isJSON(in.Payload) {
		return invalid("the payload is not JSON")
	}
	return nil
}

func isJSON(value []byte) bool { return utf8.Valid(value) && json.Valid(value) }

// checkAddr refuses an address that is not host:port.
func checkAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return invalid("address %q: not host:port", addr)
	}
	if host == "" {
		return invalid("address %q: no host", addr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return invalid("address %q: not a port number", addr)
	}
	return nil
}

// checkName refuses a name that cannot be the name of a node.
func checkName(what, name string) error {
	switch {
	case name == "":
		return invalid("the %s is empty", what)
	case strings.Contains(name, "/"):
		return invalid("the %s %q has a slash", what, name)
	case session.CheckPath("/"+name) != nil:
		return invalid("the %s %q cannot be the name of a node", what, name)
	}
	return nil
}

// Metadata entries that store a field if the layout has no key for it.
const (
	versionEntry = "version"
	weightEntry  = "weight"
	statusEntry  = "instance_status" // Spring Cloud's
	up           = "UP"
	outOfService = "OUT_OF_SERVICE"
)

// entries returns the metadata, with the given fields added as entries.
func (in *Instance) entries(fields ...string) (map[string]string, error) {
	m := maps.Clone(in.Meta)
	values := map[string]string{versionEntry: in.Version}
	if in.Weight > 0 {
		values[weightEntry] = strconv.Itoa(in.Weight)
	}
	if in.Disabled {
		values[statusEntry] = outOfService
	}
	for _, key := range fields {
		value := values[key]
		switch old, ok := m[key]; {
		case value == "":
		case ok && old != value:
			return nil, invalid("metadata %q: %q contradicts %q", key, old, value)
		case m == nil:
			m = map[string]string{key: value}
		default:
			m[key] = value
		}
	}
	return m, nil
}

// take moves metadata entries into the fields that they store.
func (in *Instance) take(fields ...string) {
	for _, key := range fields {
		value, ok := in.Meta[key]
		if !ok {
			continue
		}
		switch key {
		case versionEntry:
			in.Version = value
		case statusEntry:
			in.Disabled = value != up
		case weightEntry:
			n, err := strconv.Atoi(value)
			if err != nil || n <= 0 || n > math.MaxInt32 || strconv.Itoa(n) != value {
				continue
			}
			in.Weight = n
		}
		delete(in.Meta, key)
	}
	if len(in.Meta) == 0 {
		in.Meta = nil
	}
}

func milliseconds(t time.Time) json.RawMessage {
	if t.IsZero() {
		return digits(0)
	}
	return digits(t.UnixMilli())
}
