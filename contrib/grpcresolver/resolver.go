package grpcresolver

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/resolver"

	"github.com/zkrecipes/zkrecipes/registry"
)

// Scheme is the scheme of the targets: zk:///SERVICE.
const Scheme = "zk"

// Option selects the addresses that gRPC gets.
type Option func(*builder)

// WithTLS connects to the TLSPort of the instances that have one, and ignores other
// instances. Certificates are verified against the hosts of the instances' addresses.
func WithTLS() Option { return func(b *builder) { b.tls = true } }

// WithEndpoint connects to the endpoint with the given scheme or name, for example
// "grpc", instead of Addr. Instances without such an endpoint are ignored. It applies
// to the layouts Kratos and ServerSet.
func WithEndpoint(scheme string) Option { return func(bd *builder) { bd.endpoint = scheme } }

type builder struct {
	registry *registry.Registry
	tls      bool
	endpoint string
}

// NewBuilder returns a resolver.Builder for grpc.WithResolvers, which resolves targets
// with r. The registry's session must live as long as the connections.
func NewBuilder(r *registry.Registry, opts ...Option) resolver.Builder {
	b := &builder{registry: r}
	for _, opt := range opts {
		opt(b)
	}
	return b
}

// Scheme implements resolver.Builder.
func (b *builder) Scheme() string { return Scheme }

// Build implements resolver.Builder. It does not wait for the ensemble. Calls wait
// until the service has been looked up, for as long as their contexts last.
func (b *builder) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	service := target.Endpoint()
	if service == "" {
		return nil, errors.New("grpcresolver: the target has no service: want zk:///SERVICE")
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{builder: b, service: service, cc: cc, cancel: cancel, now: make(chan struct{}, 1), done: make(chan struct{})}
	go f.run(ctx)
	return f, nil
}

// follower reports the instances of a service to a gRPC connection.
type follower struct {
	*builder
	service string
	cc      resolver.ClientConn
	cancel  context.CancelFunc
	now     chan struct{} // capacity 1; has a value after ResolveNow
	done    chan struct{}
}

// Bounds of the pause before a failed lookup is retried.
const shortest, longest = time.Second, 30 * time.Second

func (f *follower) run(ctx context.Context) {
	defer close(f.done)
	pause := shortest
	for ctx.Err() == nil {
		for instances, err := range f.registry.Follow(ctx, f.service) {
			switch {
			case err == nil:
				pause = shortest
				// UpdateState returns an error if the balancer rejects the addresses.
				// Only the next change can help.
				_ = f.cc.UpdateState(resolver.State{Addresses: f.addresses(instances)})
			case ctx.Err() == nil:
				f.cc.ReportError(err)
			}
		}
		f.wait(ctx, pause)
		pause = min(2*pause, longest)
	}
}

// wait waits until the pause is over or gRPC calls ResolveNow, but at least one
// second.
func (f *follower) wait(ctx context.Context, pause time.Duration) {
	select { // earlier calls of ResolveNow are out of date
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

// addresses returns the addresses of the instances that may be used.
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

// address returns the address of an instance, with an empty Addr if it has none.
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

// ResolveNow implements resolver.Resolver. It shortens the pause before a failed
// lookup is retried, to at least one second. Otherwise it does nothing, because
// changes are reported without it.
func (f *follower) ResolveNow(resolver.ResolveNowOptions) {
	select {
	case f.now <- struct{}{}:
	default:
	}
}

// Close implements resolver.Resolver.
func (f *follower) Close() {
	f.cancel()
	<-f.done
}
