package registry

import (
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
	"github.com/zkrecipes/zkrecipes/session"
)

// Layout selects where the nodes are and what they contain, and so which other
// libraries can take part.
type Layout uint8

const (
	// Curator is the layout of Curator's x-discovery: ROOT/SERVICE/ID. Metadata,
	// version and weight are the payload, or entries of it; "enabled" says whether an
	// instance is Disabled. There are no Endpoints. It is the default.
	Curator Layout = iota
	// Spring is the layout of Spring Cloud Zookeeper: Curator's with a special
	// payload, which holds the metadata, including instance_status, version and
	// weight. There are no Endpoints and no Payload.
	Spring
	// Micro is the layout of Go Micro, /micro-registry/SERVICE/ID with "-" for "/",
	// but ephemeral. Meta is the metadata of the node, including weight and
	// instance_status. The metadata of the service and its endpoints, which describe
	// calls, are in Extra under "metadata" and "endpoints". There are no TLSPort,
	// Endpoints, Payload, URISpec and Registered.
	Micro
	// Kratos is the layout of go-kratos: /microservices/SERVICE/ID. Addr is the
	// address of the first of the Endpoints, and TLSPort the port of the first secure
	// one. If there are no Endpoints, they are made of Addr and TLSPort, with the
	// schemes grpc and grpcs. Weight and instance_status are entries of the metadata.
	// There are no Payload, URISpec and Registered.
	Kratos
	// ServerSet is the layout of Twitter's server sets, which Prometheus and Finagle
	// read: ROOT/SERVICE/member_NUMBER. Endpoints are the additional endpoints,
	// NAME://HOST:PORT, and TLSPort is the endpoint named https. The metadata entry
	// "shard" is the shard. An id is "member_" and ten digits; Register generates one
	// above the numbers that servers assign. There are no Payload, URISpec and
	// Registered. Finagle reads a member once, and never sees an update.
	ServerSet
)

var (
	layoutNames = []string{"curator", "spring", "micro", "kratos", "serverset"}
	layoutRoots = []string{"/services", "/services", "/micro-registry", "/microservices", "/serversets"}
)

// String returns the layout's name: "curator", "spring", "micro", "kratos",
// "serverset".
func (l Layout) String() string { return enum.Name("layout", layoutNames, l) }

// ParseLayout returns the layout with the given name. If there is none, the error
// wraps session.ErrInvalid.
func ParseLayout(name string) (Layout, error) {
	return enum.Parse[Layout]("layout", layoutNames, name, session.ErrInvalid)
}

// Root returns the default path of the services: the default of Spring, Go Micro or
// go-kratos, and for the others, which have none, /services and /serversets. It is
// empty if the layout is unknown.
func (l Layout) Root() string {
	if int(l) < len(layoutRoots) {
		return layoutRoots[l]
	}
	return ""
}

// format is what differs between layouts.
type format interface {
	// dir and node return the names of the nodes of a service and of an instance.
	dir(service string) (string, error)
	node(id string) (string, error)
	// newID returns an id for an instance without one.
	newID(service string) string
	// complete sets fields that follow from others, and refuses an instance that the
	// layout cannot store.
	complete(in *Instance) error
	// encode encodes an instance that complete has accepted. Keys of old that the
	// layout does not have are kept.
	encode(in Instance, old object) object
	// decode decodes the node with the given name. Service may be left empty.
	decode(name string, o object) ([]Instance, error)
}

func (o *options) format() format {
	switch o.layout {
	case Spring:
		return springFormat{curatorFormat{enabled: o.enabled}}
	case Micro:
		return microFormat{}
	case Kratos:
		return kratosFormat{}
	case ServerSet:
		return serverSetFormat{}
	default:
		return curatorFormat{class: o.class, enabled: o.enabled}
	}
}

// plainNames is for layouts in which services and ids are the names of nodes.
type plainNames struct{}

func (plainNames) dir(service string) (string, error) {
	return service, checkName("service", service)
}

func (plainNames) node(id string) (string, error) {
	return id, checkName("instance id", id)
}

// refuse returns an error if a field is set that the layout cannot store, or if Extra
// has a key that has a meaning in the layout.
func (in *Instance) refuse(l Layout, extra []string, absent ...string) error {
	set := map[string]bool{
		"TLSPort": in.TLSPort != 0, "Endpoints": len(in.Endpoints) > 0, "Payload": in.Payload != nil, "URISpec": in.URISpec != "",
	}
	for _, field := range absent {
		if set[field] {
			return invalid("layout %s cannot store %s", l, field)
		}
	}
	for key := range in.Extra {
		if slices.Contains(extra, key) {
			return invalid("extra key %q: the key has a meaning in layout %s", key, l)
		}
	}
	return nil
}
