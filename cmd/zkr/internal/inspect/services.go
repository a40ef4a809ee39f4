package inspect

import (
	"cmp"
	"context"
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/session"
)

// instanceData has the keys of an instance in every layout of a registry.
type instanceData struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	Address     string          `json:"address"`
	Port        int             `json:"port"`
	Host        string          `json:"host"`
	ServiceType string          `json:"serviceType"`
	Payload     json.RawMessage `json:"payload"`
	Endpoints   json.RawMessage `json:"endpoints"`
	Nodes       []struct {
		ID      string `json:"id"`
		Address string `json:"address"`
	} `json:"nodes"`
	ServiceEndpoint *struct {
		Host string `json:"host"`
		Port int    `json:"port"`
	} `json:"serviceEndpoint"`
	Status string `json:"status"`
}

// parseInstance returns the layout and the address of an instance, and "" if data is not
// one.
func parseInstance(data []byte) (layout, address string) {
	var in instanceData
	if len(data) == 0 || data[0] != '{' || json.Unmarshal(data, &in) != nil {
		return "", ""
	}
	var endpoints []string
	json.Unmarshal(in.Endpoints, &endpoints) // other layouts have other endpoints
	switch {
	case in.ServiceEndpoint != nil:
		return "serverset", hostPort(in.ServiceEndpoint.Host, in.ServiceEndpoint.Port)
	case len(in.Nodes) > 0 && in.Name != "":
		return "micro", in.Nodes[0].Address
	case in.Name != "" && in.ID != "" && len(endpoints) > 0:
		return "kratos", strings.Join(endpoints, " ")
	case in.Name != "" && in.Address != "" && strings.Contains(string(in.Payload), "zookeeper.discovery.ZookeeperInstance"):
		return "spring", hostPort(in.Address, in.Port)
	case in.Name != "" && in.Address != "" && (in.ServiceType != "" || in.Port != 0):
		return "curator", hostPort(in.Address, in.Port)
	case in.Host != "" && in.Port != 0:
		return "nerve", hostPort(in.Host, in.Port)
	}
	return "", ""
}

func hostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// recognizeService recognizes the parent of instances.
func recognizeService(n *node) *match {
	layout := ""
	for _, c := range n.sample {
		if l, _ := parseInstance(c.Data); l != "" {
			layout = l
		} else {
			return nil
		}
	}
	if layout == "" {
		return nil
	}
	m := &match{kind: KindService, name: "service", layout: layout, fill: fillService}
	if layout == "nerve" {
		m.name = "service of Nerve"
	}
	return m
}

func fillService(ctx context.Context, f *filler) error {
	ns, err := f.reader.nodes(ctx, join(f.node.path, f.bounded(f.node.names, "instances")))
	if err != nil {
		return err
	}
	for _, n := range ns {
		f.noteRefusal(f.below(n.Path), n.Err)
		if n.Err != nil {
			continue
		}
		p := f.participant(n, "")
		_, p.ID = parseInstance(n.Data)
		p.address(f.below(n.Path))
		f.out.Members = append(f.out.Members, p)
	}
	f.out.MemberCount = len(f.node.names)
	persistent := 0
	for _, m := range f.out.Members {
		if m.Ownerless {
			persistent++
		}
	}
	if persistent > 0 {
		f.out.Note = count(persistent, "instance is a persistent node", "instances are persistent nodes") + ", which the servers never delete"
	}
	return nil
}

// registries replaces the services that have the same parent by a registry, unless the
// parent has children other than services and empty nodes.
func registries(rs []*Recipe, children map[string]int) []*Recipe {
	candidates := make(map[string][]*Recipe)
	isRegistry := make(map[string]bool)
	for _, r := range rs {
		parent, _ := session.Split(r.Path)
		if r.Kind == KindService || r.isEmptyNode() {
			candidates[parent] = append(candidates[parent], r)
		}
		if r.Kind == KindService {
			isRegistry[parent] = true
		}
	}
	var merged []*Recipe
	for _, r := range rs {
		parent, _ := session.Split(r.Path)
		services := candidates[parent]
		switch {
		case !isRegistry[parent] || children[parent] != len(services):
			merged = append(merged, r)
		case r == services[0]:
			merged = append(merged, registryOf(parent, services))
		}
	}
	return merged
}

func (r *Recipe) isEmptyNode() bool {
	return r.Kind == KindFolder || r.Kind == KindValue && r.Value != nil && r.Value.Size == 0 && r.Value.Children == 0
}

func registryOf(path string, services []*Recipe) *Recipe {
	all := &Recipe{Path: path, Kind: KindRegistry, Name: "registry of services"}
	for _, s := range services {
		_, name := session.Split(s.Path)
		all.Services = append(all.Services, Service{name, s.MemberCount})
		all.Findings = append(all.Findings, s.Findings...)
		all.Layout = cmp.Or(all.Layout, s.Layout)
	}
	slices.SortFunc(all.Services, func(a, b Service) int { return strings.Compare(a.Name, b.Name) })
	return all
}
