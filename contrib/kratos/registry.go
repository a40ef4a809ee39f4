package kratos

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"

	kratos "github.com/go-kratos/kratos/v2/registry"

	"github.com/zkrecipes/zkrecipes/registry"
)

// Registry is a kratos.Registrar and a kratos.Discovery. It is safe for concurrent
// use.
type Registry struct {
	registry *registry.Registry

	mu            sync.Mutex
	registrations map[key]*registry.Registration
}

type key struct{ service, id string }

var (
	_ kratos.Registrar = (*Registry)(nil)
	_ kratos.Discovery = (*Registry)(nil)
)

// New returns a go-kratos registry that uses r. Applications can register only in the
// layouts Kratos and ServerSet; services of any layout can be looked up. The session
// must live as long as the applications.
func New(r *registry.Registry) *Registry {
	return &Registry{registry: r, registrations: make(map[key]*registry.Registration)}
}

// Register registers an instance until Deregister or until the session is closed. The
// registration survives reconnects and the end of ZooKeeper sessions. If this Registry
// has registered the instance already, Register updates it.
func (r *Registry) Register(ctx context.Context, si *kratos.ServiceInstance) error {
	if si.ID == "" {
		return errors.New("kratos: the instance has no id")
	}
	in := registry.Instance{
		Service: si.Name, ID: si.ID, Version: si.Version, Meta: maps.Clone(si.Metadata), Endpoints: slices.Clone(si.Endpoints),
	}
	k := key{si.Name, si.ID}
	r.mu.Lock()
	g := r.registrations[k]
	r.mu.Unlock()
	if g != nil {
		return g.Update(ctx, in)
	}
	g, err := r.registry.Register(ctx, in)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.registrations[k] = g
	return nil
}

// Deregister removes an instance that this Registry has registered. The node is
// deleted even if ctx is done first. For any other instance it does nothing.
func (r *Registry) Deregister(ctx context.Context, si *kratos.ServiceInstance) error {
	k := key{si.Name, si.ID}
	r.mu.Lock()
	g := r.registrations[k]
	delete(r.registrations, k)
	r.mu.Unlock()
	if g == nil {
		return nil
	}
	return g.Deregister(ctx)
}

// GetService returns the instances of a service that are not disabled, sorted by id.
func (r *Registry) GetService(ctx context.Context, service string) ([]*kratos.ServiceInstance, error) {
	list, err := r.registry.Lookup(ctx, service)
	if err != nil {
		return nil, err
	}
	return instances(list), nil
}

// Watch follows the instances of a service until Stop or until ctx is done.
func (r *Registry) Watch(ctx context.Context, service string) (kratos.Watcher, error) {
	return newWatcher(ctx, r.registry, service), nil
}

// instances converts the instances that are not disabled.
func instances(list []registry.Instance) []*kratos.ServiceInstance {
	var sis []*kratos.ServiceInstance
	for _, in := range list {
		if in.Disabled {
			continue
		}
		si := &kratos.ServiceInstance{
			ID: in.ID, Name: in.Service, Version: in.Version, Metadata: maps.Clone(in.Meta), Endpoints: slices.Clone(in.Endpoints),
		}
		if si.Metadata == nil {
			si.Metadata = make(map[string]string)
		}
		if in.Weight > 0 { // go-kratos stores the weight there
			si.Metadata["weight"] = strconv.Itoa(in.Weight)
		}
		if len(si.Endpoints) == 0 && in.Addr != "" { // an instance of another layout
			si.Endpoints = []string{"grpc://" + in.Addr}
		}
		sis = append(sis, si)
	}
	return sis
}
