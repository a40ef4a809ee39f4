package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// curatorFormat is the JSON of Curator's ServiceInstance, with its keys in the
// order in which Jackson writes them.
type curatorFormat struct {
	plainNames
	class   string // of the payload, for typed readers in Java
	enabled bool   // write "enabled" always, and not only if it is false
}

const classKey = "@class"

var curatorKeys = []string{
	"name", "id", "address", "port", "sslPort", "payload", "registrationTimeUTC", "serviceType", "uriSpec", "enabled",
}

func (curatorFormat) newID(string) string { return session.GUID() }

func (curatorFormat) complete(in *Instance) error {
	if err := in.refuse(Curator, curatorKeys, "Endpoints"); err != nil {
		return err
	}
	return in.completeCurator()
}

func (in *Instance) completeCurator() error {
	if _, err := parseURISpec(in.URISpec); err != nil {
		return invalid("%v", err)
	}
	if in.Registered.IsZero() {
		in.Registered = time.Now()
	}
	in.Registered = in.Registered.UTC().Truncate(time.Millisecond)
	if bytes.Equal(bytes.TrimSpace(in.Payload), null) {
		in.Payload = nil
	}
	entries, err := in.entries(versionEntry, weightEntry)
	if err == nil && entries != nil && in.Payload != nil && !isObject(in.Payload) {
		err = invalid("metadata and a payload that is not an object cannot be stored together")
	}
	return err
}

func isObject(value json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte{'{'})
}

func (f curatorFormat) encode(in Instance, old object) object {
	o := f.envelope(in, f.payload(in))
	return f.finish(o, in, old)
}

func (f curatorFormat) envelope(in Instance, payload json.RawMessage) object {
	o := object{
		{"name", quote(in.Service)},
		{"id", quote(in.ID)},
		{"address", quote(in.host())},
		{"port", digits(in.port())},
		{"sslPort", null},
		{"payload", payload},
		{"registrationTimeUTC", milliseconds(in.Registered)},
		{"serviceType", json.RawMessage(`"DYNAMIC"`)},
		{"uriSpec", encodeURISpec(in.URISpec)},
	}
	if in.TLSPort != 0 {
		o.set("sslPort", digits(in.TLSPort))
	}
	if f.enabled || in.Disabled {
		o.set("enabled", strconv.AppendBool(nil, !in.Disabled))
	}
	return o
}

func (f curatorFormat) finish(o object, in Instance, old object) object {
	o.copyOthers(old, curatorKeys...)
	o.setAll(in.Extra)
	return o
}

// payload returns Payload with the metadata added.
func (f curatorFormat) payload(in Instance) json.RawMessage {
	entries, _ := in.entries(versionEntry, weightEntry)
	if in.Payload == nil && entries == nil {
		return null
	}
	o, err := parseObject(in.Payload)
	if err != nil && in.Payload != nil {
		return in.Payload // not an object
	}
	if f.class != "" && o.index(classKey) < 0 {
		o = append(object{{classKey, quote(f.class)}}, o...)
	}
	o = slices.DeleteFunc(o, func(m member) bool {
		_, stays := entries[m.key]
		return in.Meta != nil && m.key != classKey && !stays && m.value[0] == '"'
	})
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		o.set(key, quote(entries[key]))
	}
	return o.encode()
}

func (curatorFormat) decode(_ string, o object) ([]Instance, error) {
	in, err := decodeEnvelope(o)
	if err != nil {
		return nil, err
	}
	in.Payload = o.get("payload")
	if p, err := parseObject(in.Payload); err == nil {
		for _, m := range p {
			var s string
			if m.key == classKey || json.Unmarshal(m.value, &s) != nil || m.value[0] != '"' {
				continue
			}
			if in.Meta == nil {
				in.Meta = make(map[string]string)
			}
			in.Meta[m.key] = s
		}
	}
	in.take(versionEntry, weightEntry)
	return []Instance{in}, nil
}

// decodeEnvelope decodes everything except the payload.
func decodeEnvelope(o object) (in Instance, err error) {
	d := decoder{object: o}
	in.Service, in.ID = d.text("name"), d.text("id")
	address, port, tls := d.text("address"), d.port("port"), d.port("sslPort")
	registered := d.number("registrationTimeUTC")
	in.URISpec, err = decodeURISpec(o.get("uriSpec"))
	d.note(err)
	in.Disabled = !d.flag("enabled", true)
	if d.err != nil {
		return Instance{}, d.err
	}
	for key, value := range map[string]string{"name": in.Service, "id": in.ID, "address": address} {
		if value == "" {
			return Instance{}, fmt.Errorf("%s: missing", key)
		}
	}
	if port == 0 { // the instance serves TLS only
		port = tls
	}
	in.Addr = joinHostPort(address, port)
	in.TLSPort = int(tls)
	if registered != 0 {
		in.Registered = time.UnixMilli(registered).UTC()
	}
	in.Extra = o.others(curatorKeys...)
	return in, nil
}

// joinHostPort joins a host and a port. It also accepts an IPv6 address in brackets,
// as some programs write it.
func joinHostPort(host string, port int64) string {
	if inner, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(inner, "]") {
		host = inner[:len(inner)-1]
	}
	if port == 0 || host == "" {
		return host
	}
	return net.JoinHostPort(host, strconv.FormatInt(port, 10))
}
