package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// microFormat is the JSON of Go Micro's registry: a service with one node.
type microFormat struct{}

var microKeys = []string{"name", "version", "nodes"}

func (microFormat) dir(service string) (string, error) {
	name := strings.ReplaceAll(service, "/", "-")
	return name, checkName("service", name)
}

func (microFormat) node(id string) (string, error) {
	name := strings.ReplaceAll(id, "/", "-")
	return name, checkName("instance id", name)
}

func (microFormat) newID(service string) string { return service + "-" + session.GUID() }

func (microFormat) complete(in *Instance) error {
	if err := in.refuse(Micro, microKeys, "TLSPort", "Endpoints", "Payload", "URISpec"); err != nil {
		return err
	}
	in.Registered = time.Time{}
	_, err := in.entries(statusEntry, weightEntry)
	return err
}

func (microFormat) encode(in Instance, old object) object {
	entries, _ := in.entries(statusEntry, weightEntry)
	node := object{
		{"id", quote(in.ID)},
		{"address", quote(in.Addr)},
		{"metadata", quoteAll(entries)},
	}
	if before, err := microNodes(old); err == nil && len(before) > 0 {
		node.copyOthers(before[0], "id", "address", "port", "metadata")
	}
	o := object{
		{"name", quote(in.Service)},
		{"version", quote(in.Version)},
		{"metadata", null},
		{"endpoints", null},
		{"nodes", array([][]byte{node.encode()})},
	}
	for _, key := range []string{"metadata", "endpoints"} {
		if v := old.get(key); v != nil {
			o.set(key, v)
		}
		if extra, ok := in.Extra[key]; ok && extra == nil {
			o.set(key, null)
		} else if ok {
			o.set(key, extra)
		}
	}
	o.copyOthers(old)
	extra := in.clone().Extra
	delete(extra, "metadata")
	delete(extra, "endpoints")
	o.setAll(extra)
	return o
}

func microNodes(o object) ([]object, error) {
	var values []json.RawMessage
	if v := o.get("nodes"); v != nil {
		if err := json.Unmarshal(v, &values); err != nil {
			return nil, errors.New("nodes: not a list")
		}
	}
	var nodes []object
	for _, v := range values {
		node, err := parseObject(v)
		if err != nil {
			return nil, fmt.Errorf("nodes: %w", err)
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

func (microFormat) decode(name string, o object) ([]Instance, error) {
	d := decoder{object: o}
	service, version := d.required("name"), d.text("version")
	nodes, err := microNodes(o)
	d.note(err)
	if len(nodes) == 0 {
		d.note(errors.New("nodes: there is none"))
	}
	if d.err != nil {
		return nil, d.err
	}
	extra := o.others(microKeys...)
	for _, key := range []string{"metadata", "endpoints"} {
		if o.get(key) == nil {
			delete(extra, key)
		}
	}
	if len(extra) == 0 {
		extra = nil
	}
	var list []Instance
	for _, node := range nodes {
		in, err := microNode(node)
		if err != nil {
			return nil, fmt.Errorf("nodes: %w", err)
		}
		if in.ID == "" {
			in.ID = name
		}
		in.Service, in.Version, in.Extra = service, version, extra
		list = append(list, in)
	}
	return slices.Clip(list), nil
}

func microNode(o object) (in Instance, err error) {
	d := decoder{object: o}
	in.ID, in.Addr = d.text("id"), d.text("address")
	port := d.port("port") // written by old versions
	if in.Addr == "" {
		d.note(errors.New("address: missing"))
	}
	if _, _, err := net.SplitHostPort(in.Addr); err != nil {
		in.Addr = joinHostPort(in.Addr, port)
	}
	in.Meta = d.texts("metadata")
	in.take(statusEntry, weightEntry)
	return in, d.err
}
