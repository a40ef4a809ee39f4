package registry

import (
	"fmt"
	"strings"
)

// springFormat is Curator's JSON with the payload of Spring Cloud Zookeeper.
type springFormat struct{ curatorFormat }

const (
	springClass   = "org.springframework.cloud.zookeeper.discovery.ZookeeperInstance"
	springURISpec = "{scheme}://{address}:{port}"
)

var springPayloadKeys = []string{classKey, "id", "name", "metadata"}

// dir returns the path of a service. In Spring a service name may have slashes.
func (springFormat) dir(service string) (string, error) {
	for name := range strings.SplitSeq(service, "/") {
		if err := checkName("service", name); err != nil {
			return "", err
		}
	}
	return service, nil
}

func (springFormat) complete(in *Instance) error {
	if in.URISpec == "" {
		in.URISpec = springURISpec
	}
	if err := in.refuse(Spring, curatorKeys, "Endpoints", "Payload"); err != nil {
		return err
	}
	if _, err := in.entries(statusEntry, versionEntry, weightEntry); err != nil {
		return err
	}
	return in.completeCurator()
}

func (f springFormat) encode(in Instance, old object) object {
	entries, _ := in.entries(statusEntry, versionEntry, weightEntry)
	if entries == nil {
		entries = make(map[string]string)
	}
	if _, ok := entries[statusEntry]; !ok {
		entries[statusEntry] = up
	}
	p := object{
		{classKey, quote(springClass)},
		{"id", quote(in.ID)},
		{"name", quote(in.Service)},
		{"metadata", quoteAll(entries)},
	}
	if before, err := parseObject(old.get("payload")); err == nil {
		p.copyOthers(before, springPayloadKeys...)
	}
	return f.finish(f.envelope(in, p.encode()), in, old)
}

func (springFormat) decode(_ string, o object) ([]Instance, error) {
	in, err := decodeEnvelope(o)
	if err != nil {
		return nil, err
	}
	if payload := o.get("payload"); payload != nil {
		p, err := parseObject(payload)
		if err == nil {
			in.Meta, err = p.texts("metadata")
		}
		if err != nil {
			return nil, fmt.Errorf("payload: %w", err)
		}
	}
	disabled := in.Disabled
	in.take(statusEntry, versionEntry, weightEntry)
	in.Disabled = in.Disabled || disabled
	return []Instance{in}, nil
}
