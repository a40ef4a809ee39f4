package registry

import (
	"cmp"
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// kratosFormat is the JSON of go-kratos' ServiceInstance.
type kratosFormat struct{ plainNames }

var kratosKeys = []string{"id", "name", "version", "metadata", "endpoints"}

func (kratosFormat) newID(string) string { return session.GUID() }

// implied sets Addr to the address of the first endpoint if it is empty. It is called
// before the instance is checked.
func (in *Instance) implied() {
	if addr, _ := kratosAddr(in.Endpoints); in.Addr == "" {
		in.Addr = addr
	}
}

func (kratosFormat) complete(in *Instance) error {
	if err := in.refuse(Kratos, kratosKeys, "Payload", "URISpec"); err != nil {
		return err
	}
	if len(in.Endpoints) == 0 {
		in.Endpoints = []string{"grpc://" + in.Addr}
		if in.TLSPort != 0 {
			in.Endpoints = append(in.Endpoints, "grpcs://"+net.JoinHostPort(in.host(), strconv.Itoa(in.TLSPort)))
		}
	}
	for _, e := range in.Endpoints {
		u, err := url.Parse(e)
		if err != nil || u.Scheme == "" || u.Host == "" {
			return invalid("endpoint %q: not a URL", e)
		}
		if err := checkAddr(u.Host); err != nil {
			return err
		}
	}
	addr, tls := kratosAddr(in.Endpoints)
	if in.Addr != addr {
		return invalid("address %q: the first endpoint has %q", in.Addr, addr)
	}
	if in.TLSPort != 0 && in.TLSPort != tls {
		return invalid("TLS port %d: the endpoints have %d", in.TLSPort, tls)
	}
	in.TLSPort, in.Registered = tls, time.Time{}
	_, err := in.entries(statusEntry, weightEntry)
	return err
}

// kratosAddr returns the address of the first endpoint, and the port of the first
// secure endpoint on the same host.
func kratosAddr(endpoints []string) (addr string, tls int) {
	for _, e := range endpoints {
		u, err := url.Parse(e)
		if err != nil {
			continue
		}
		if addr == "" {
			addr = u.Host
		}
		host, _, _ := net.SplitHostPort(addr)
		secure := slices.Contains([]string{"grpcs", "https", "wss"}, u.Scheme) || u.Query().Get("isSecure") == "true"
		if secure && tls == 0 && u.Hostname() == host {
			tls, _ = strconv.Atoi(u.Port())
		}
	}
	return addr, tls
}

func (kratosFormat) encode(in Instance, old object) object {
	entries, _ := in.entries(statusEntry, weightEntry)
	var endpoints [][]byte
	for _, e := range in.Endpoints {
		endpoints = append(endpoints, quote(e))
	}
	o := object{
		{"id", quote(in.ID)},
		{"name", quote(in.Service)},
		{"version", quote(in.Version)},
		{"metadata", quoteAll(entries)},
		{"endpoints", array(endpoints)},
	}
	o.copyOthers(old)
	o.setAll(in.Extra)
	return o
}

func (kratosFormat) decode(name string, o object) ([]Instance, error) {
	d := decoder{object: o}
	in := Instance{ID: cmp.Or(d.text("id"), name), Service: d.text("name"), Version: d.text("version"), Meta: d.texts("metadata")}
	d.unmarshal("endpoints", &in.Endpoints, "not a list of strings")
	if d.err != nil {
		return nil, d.err
	}
	if in.Addr, in.TLSPort = kratosAddr(in.Endpoints); in.Service == "" || in.Addr == "" {
		return nil, errors.New("name or endpoints: missing")
	}
	in.Extra = o.others(kratosKeys...)
	in.take(statusEntry, weightEntry)
	return []Instance{in}, nil
}
