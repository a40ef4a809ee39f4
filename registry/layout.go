package registry

import (
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
	"github.com/zkrecipes/zkrecipes/session"
)

// Layout is where the nodes are and what is in them, on which it depends which
// other libraries take part.
type Layout uint8

const (
	// Curator is the layout of Curator's x-discovery: ROOT/SERVICE/ID. Metadata,
	// version and weight are the payload, or entries of it; "enabled" says whether an
	// instance is Disabled. There are no Endpoints. It is the default.
	Curator Layout = iota
	// Spring is that of Spring Cloud Zookeeper: Curator's with a payload of its
	// own, which holds the metadata, and in them instance_status, version and
	// weight. There are no Endpoints and no Payload.
	Spring
	// Micro is that of Go Micro, /micro-registry/SERVICE/ID with "-" for "/", but
	// ephemeral. Metadata are those of the node, with weight and instance_status in
	// them; the service's own and its endpoints, which are descriptions of calls, are
	// in Extra under "metadata" and "endpoints". There are no TLSPort, Endpoints, Payload, URISpec and Registered.
	Micro
	// Kratos is that of go-kratos: /microservices/SERVICE/ID. Addr is that of the
	// first of the Endpoints, TLSPort that of the first that is secure; if there are
	// none they are made of these, with the schemes grpc and grpcs. weight and
	// instance_status are entries of the metadata. There are no Payload, URISpec and Registered.
	Kratos
	// ServerSet is Twitter's, which Prometheus and Finagle read:
	// ROOT/SERVICE/member_NUMBER. Endpoints are the additional ones, NAME://HOST:PORT,
	// and TLSPort the one of the name https. The metadata entry "shard" is the
	// shard. An id is "member_" and ten digits; Register makes one up above those
	// that servers give out. There are no Payload, URISpec and Registered. Finagle
	// reads a member once, and never sees an update.
	ServerSet
)

var (
	layoutNames = []string{"curator", "spring", "micro", "kratos", "serverset"}
	layoutRoots = []string{"/services", "/services", "/micro-registry", "/microservices", "/serversets"}
)

// String returns the layout's name: "curator", "spring", "micro", "kratos",
// "serverset".
func (l Layout) String() string { return enum.Name("layout", layoutNames, l) }

// ParseLayout returns the layout of that name. If there is none, the error wraps
// session.ErrInvalid.
func ParseLayout(name string) (Layout, error) {
	return enum.Parse[Layout]("layout", layoutNames, name, session.ErrInvalid)
}

// Root is where services are by default: Spring's, Go Micro's and go-kratos's own
// defaults, and for the others, which have none, /services and /serversets.
// It is empty if there is no such layout.
func (l Layout) Root() string {
	if int(l) < len(layoutRoots) {
		return layoutRoots[l]
	}
	return ""
}

// format is what is particular to a layout.
type format interface {
	// dir and node are the names of the nodes of a service and of an instance.
	dir(service string) (string, error)
	node(id string) (string, error)
	// newID is the id of an instance that was given none.
	newID(service string) string
	// complete adds what follows from what was given, and refuses what has no place
	// in the layout.
	complete(in *Instance) error
	// encode writes what complete has passed. What old has beyond the layout is
	// kept.
	encode(in Instance, old object) object
	// decode reads the node of a name. Service may be left empty.
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

// refuse wants every field that is set to be among those that there is a place
// for. A key of Extra must have no meaning.
func (in *Instance) refuse(l Layout, extra []string, absent ...string) error {
	set := map[string]bool{
		"TLSPort": in.TLSPort != 0, "Endpoints": len(in.Endpoints) > 0, "Payload": in.Payload != nil, "URISpec": in.URISpec != "",
	}
	for _, field := range absent {
		if set[field] {
			return invalid("layout %s has no place for %s", l, field)
		}
	}
	for key := range in.Extra {
		if slices.Contains(extra, key) {
			return invalid("extra key %q: it has a meaning in layout %s", key, l)
		}
	}
	return nil
}
