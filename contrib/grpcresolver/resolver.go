package grpcresolver

import (
	"context"
	"errors"
	"iter"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/resolver"

	"github.com/zkrecipes/zkrecipes/registry"
)

// Scheme is that of the targets: zk:///SERVICE.
const Scheme = "zk"

// Option changes which addresses are given to gRPC.
type Option func(*builder)

// WithTLS has connections made to the TLSPort of the instances that
// have one, and to no others. Certificates are checked against the hosts that the
// instances say.
func WithTLS() Option { return func(b *builder) { b.tls = true } }

// WithEndpoint has connections made to the endpoint of a scheme or name, "grpc" for
// example, of the instances that have one, and to no others; not to Addr. It is for
// the layouts Kratos and ServerSet.
func WithEndpoint(scheme string) Option { return func(bd *builder) { bd.endpoint = scheme } }

type builder struct {
	registry *registry.Registry
	tls      bool
	endpoint string
}

// NewBuilder resolves targets with a registry, as grpc.WithResolvers wants it. The
// registry's session must live as long as the connections.
func NewBuilder(r *registry.Registry, opts ...Option) resolver.Builder {
	b := &builder{registry: r}
	for _, opt := range opts {
		opt(b)
	}
	return b
}

// Scheme is part of resolver.Builder.
func (b *builder) Scheme() string { return Scheme }

// Build is part of resolver.Builder. It does not wait for the ensemble: calls do,
// until the service has been looked up, for as long as their contexts last.
func (b *builder) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	service := target.Endpoint()
	if service == "" {
		return nil, errors.New("grpcresolver: the target names no service: it is to be zk:///SERVICE")
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{builder: b, service: service, cc: cc, cancel: cancel, now: make(chan struct{}, 1), done: make(chan struct{})}
	go f.run(ctx)
	return f, nil
}

// follower tells a gRPC connection of the instances of a service.
type follower struct {
	*builder
	service string
	cc      resolver.ClientConn
	cancel  context.CancelFunc
	now     chan struct{} // capacity 1: gRPC would like to know
	done    chan struct{}
}

// How long to wait before a service that may not be looked up is looked up again.
const shortest, longest = time.Second, 30 * time.Second

func (f *follower) run(ctx context.Context) {
	defer close(f.done)
	pause := shortest
	for ctx.Err() == nil {
		for instances, err := range follow(ctx, f.registry, f.service) {
			switch {
			case err == nil:
				pause = shortest
				// An error of UpdateState says that the balancer does not like what
				// there is. Nothing can be done until something else is.
				_ = f.cc.UpdateState(resolver.State{Addresses: f.addresses(instances)})
			case ctx.Err() == nil:
				f.cc.ReportError(err)
			}
		}
		f.wait(ctx, pause)
		pause = min(2*pause, longest)
	}
}

// follow yields the instances of a service, those that have not come back after an
// outage yet among them; see registry.WithOutageGrace.
func follow(ctx context.Context, r *registry.Registry, service string) iter.Seq2[[]registry.Instance, error] {
	return func(yield func([]registry.Instance, error) bool) {
		v, err := r.Resolve(ctx, service)
		if err != nil {
			yield(nil, err)
			return
		}
		defer v.Close()
		for list, err := range v.Watch(ctx) {
			if !yield(list, err) {
				return
			}
		}
	}
}

// wait waits until the pause is over, or gRPC asks, but then for a second, too.
func (f *follower) wait(ctx context.Context, pause time.Duration) {
	select { // what it asked for before is out of date
	case <-f.now:
	default:
	}
	least, most := time.NewTimer(shortest), time.NewTimer(pause)
	defer least.Stop()
	defer most.Stop()
	select {
	case <-least.C:
	case <-ctx.Done():
		return
	}
	select {
	case <-most.C:
	case <-f.now:
	case <-ctx.Done():
	}
}

// addresses are those of the instances that may be used.
func (f *follower) addresses(instances []registry.Instance) []resolver.Address {
	var list []resolver.Address
	for _, in := range instances {
		a := f.address(in)
		same := func(b resolver.Address) bool { return a.Addr == b.Addr }
		if !in.Disabled && a.Addr != "" && !slices.ContainsFunc(list, same) {
			list = append(list, a)
		}
	}
	return list
}

// address is where an instance is to be reached, "" if it cannot be.
func (f *follower) address(in registry.Instance) resolver.Address {
	addr := in.Addr
	if f.endpoint != "" {
		addr = ""
		for _, e := range in.Endpoints {
			if rest, ok := strings.CutPrefix(e, f.endpoint+"://"); ok {
				addr, _, _ = strings.Cut(rest, "?")
				break
			}
		}
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return resolver.Address{}
	}
	if !f.tls {
		return resolver.Address{Addr: addr}
	}
	if f.endpoint == "" {
		if in.TLSPort == 0 {
			return resolver.Address{}
		}
		addr = net.JoinHostPort(host, strconv.Itoa(in.TLSPort))
	}
	return resolver.Address{Addr: addr, ServerName: host}
}

// ResolveNow is part of resolver.Resolver. It makes a service that may not be looked
// up be tried again; otherwise it does nothing, for what is new comes by itself.
func (f *follower) ResolveNow(resolver.ResolveNowOptions) {
	select {
	case f.now <- struct{}{}:
	default:
	}
}

// Close is part of resolver.Resolver.
func (f *follower) Close() {
	f.cancel()
	<-f.done
}
