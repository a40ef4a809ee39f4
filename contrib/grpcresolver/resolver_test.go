package grpcresolver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/resolver"

	"github.com/zkrecipes/zkrecipes/contrib/grpcresolver"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// TestMain checks that no test leaves a goroutine behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && os.Getenv("ZKTEST") == "" {
		if err := goleak.Find(); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

// testTimeout bounds every wait of a test.
const testTimeout = 5 * time.Minute

// config selects round robin, and retries a call whose server has ended.
const config = `{
	"loadBalancingConfig": [{"round_robin": {}}],
	"methodConfig": [{"name": [{}], "retryPolicy": {
		"maxAttempts": 5, "initialBackoff": "0.01s", "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]
}`

// server is a gRPC server with a separate session, as a process has.
type server struct {
	*grpc.Server
	addr    string
	session *session.Session
}

// serve starts a server and registers it.
func serve(t testing.TB, s *session.Session, r *registry.Registry) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &server{grpc.NewServer(), l.Addr().String(), s}
	grpc_health_v1.RegisterHealthServer(srv, health.NewServer())
	go srv.Serve(l)
	t.Cleanup(srv.Stop)
	if _, err := r.Register(t.Context(), registry.Instance{Service: "greeter", Addr: srv.addr}); err != nil {
		t.Fatal(err)
	}
	return srv
}

func dial(t testing.TB, r *registry.Registry) grpc_health_v1.HealthClient {
	t.Helper()
	conn, err := grpc.NewClient("zk:///greeter", grpc.WithResolvers(grpcresolver.NewBuilder(r)),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return grpc_health_v1.NewHealthClient(conn)
}

// call makes a call and returns the address of the server that has answered.
func call(t testing.TB, c grpc_health_v1.HealthClient) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	var p peer.Peer
	if _, err := c.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.Peer(&p), grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
	return p.Addr.String()
}

// waitForServers makes calls until a series of them has reached all of the given servers
// and no other.
func waitForServers(t testing.TB, c grpc_health_v1.HealthClient, servers ...*server) {
	t.Helper()
	want := make(map[string]bool)
	for _, srv := range servers {
		want[srv.addr] = true
	}
	deadline := time.Now().Add(testTimeout)
	for {
		got := make(map[string]bool)
		for range 4 * len(servers) {
			got[call(t, c)] = true
		}
		if fmt.Sprint(got) == fmt.Sprint(want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("calls reach %v, want %v", got, want)
		}
	}
}

// Calls alternate between two servers. They continue when one is stopped and when the
// ensemble cannot be reached. A third server gets calls as well.
func TestCallsContinue(t *testing.T) {
	zk := zktest.New(t)
	connect := func() (*session.Session, *registry.Registry) {
		s := zk.Session(t)
		return s, registry.New(s, "/services")
	}
	s, r := connect()
	c := dial(t, r)
	first, second := serve(t, s, r), (*server)(nil)
	waitForServers(t, c, first)
	second = serve(t, func() *session.Session { s, r = connect(); return s }(), r)
	waitForServers(t, c, first, second)

	second.Stop() // a process dies: its connections break, and its session ends
	zk.Expire(second.session.Status().ID)
	second.session.Close(t.Context())
	waitForServers(t, c, first)

	s, r = connect()
	third := serve(t, s, r)
	waitForServers(t, c, first, third)

	zk.Stop()
	for range 20 {
		call(t, c)
	}
	if err := zk.Restart(); err != nil {
		t.Fatal(err)
	}
	s, r = connect()
	waitForServers(t, c, first, third, serve(t, s, r))
}

// connection replaces gRPC's connection and records what is reported to it.
type connection struct {
	resolver.ClientConn
	reports chan string
}

func (c *connection) UpdateState(s resolver.State) error {
	var addrs []string
	for _, a := range s.Addresses {
		addrs = append(addrs, strings.TrimSuffix(a.Addr+" as "+a.ServerName, " as "))
	}
	c.reports <- strings.Join(addrs, ", ")
	return errors.New("the balancer has rejected the addresses")
}

func (c *connection) ReportError(err error) { c.reports <- "error: " + err.Error() }

// expect checks the next report.
func (c *connection) expect(t *testing.T, want string) {
	t.Helper()
	if got := <-c.reports; got != want {
		t.Errorf("reported: %q, want %q", got, want)
	}
}

func build(t *testing.T, r *registry.Registry, opts ...grpcresolver.Option) (*connection, resolver.Resolver) {
	t.Helper()
	c := &connection{reports: make(chan string, 100)}
	res, err := grpcresolver.NewBuilder(r, opts...).Build(resolver.Target{URL: url.URL{Scheme: "zk", Path: "/greeter"}}, c, resolver.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(res.Close)
	return c, res
}

// Each change is reported once.
func TestUpdates(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	r := registry.New(s, "/services")
	c, res := build(t, r)
	c.expect(t, "")
	a := register(t, r, registry.Instance{ID: "a", Addr: "a:1"})
	c.expect(t, "a:1")
	b := register(t, r, registry.Instance{ID: "b", Addr: "b:1", TLSPort: 2})
	c.expect(t, "a:1, b:1")
	register(t, r, registry.Instance{ID: "c", Addr: "b:1"}) // the same address
	c.expect(t, "a:1, b:1")
	if err := a.Update(t.Context(), registry.Instance{Addr: "a:1", Disabled: true}); err != nil {
		t.Fatal(err)
	}
	c.expect(t, "b:1")
	res.ResolveNow(resolver.ResolveNowOptions{})
	if err := b.Deregister(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.expect(t, "b:1")
	res.Close()
	if n := len(c.reports); n != 0 {
		t.Errorf("reported as well: %q", <-c.reports)
	}
}

func register(t *testing.T, r *registry.Registry, in registry.Instance) *registry.Registration {
	t.Helper()
	in.Service = "greeter"
	g, err := r.Register(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAddresses(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	r := registry.New(s, "", registry.WithLayout(registry.Kratos))
	register(t, r, registry.Instance{ID: "a", Endpoints: []string{"http://a:1", "grpc://a:2?isSecure=false"}})
	register(t, r, registry.Instance{ID: "b", Endpoints: []string{"http://b:1", "grpcs://b:3"}})
	c, _ := build(t, r)
	c.expect(t, "a:1, b:1")
	c, _ = build(t, r, grpcresolver.WithEndpoint("grpc"))
	c.expect(t, "a:2")
	c, _ = build(t, r, grpcresolver.WithTLS())
	c.expect(t, "b:3 as b")
	c, _ = build(t, r, grpcresolver.WithTLS(), grpcresolver.WithEndpoint("grpcs"))
	c.expect(t, "b:3 as b")
	if _, _, err := s.Create(t.Context(), "/microservices/greeter/c", []byte(`{"endpoints":["http://no-port"]}`), session.Ephemeral()); err != nil {
		t.Fatal(err)
	}
	c, _ = build(t, r)
	c.expect(t, "a:1, b:1")
}

// The lookup of a service that may not be read is retried, with growing pauses, or when
// gRPC calls ResolveNow.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		zk := zktest.New(t)
		s := zk.Session(t)
		r := registry.New(s, "/services")
		c, res := build(t, r)
		c.expect(t, "")
		res.Close()
		if _, _, err := s.Create(t.Context(), "/services/greeter", nil, session.Parents(),
			session.ACLs(session.ACL{Perms: session.PermAll &^ session.PermRead, Scheme: "world", ID: "anyone"})); err != nil {
			t.Fatal(err)
		}
		c, res = build(t, r)
		if got := <-c.reports; !strings.HasPrefix(got, "error: ") || !strings.Contains(got, "/services/greeter: not authorized") {
			t.Errorf("reported: %q", got)
		}
		zk.ResetRequests()
		time.Sleep(10 * time.Minute)
		if n := len(zk.Requests()); n > 100 {
			t.Errorf("%d requests in ten minutes", n)
		}
		for len(c.reports) > 0 {
			<-c.reports
		}
		if _, err := s.SetACL(t.Context(), "/services/greeter", session.OpenACL(), -1); err != nil {
			t.Fatal(err)
		}
		register(t, r, registry.Instance{ID: "a", Addr: "a:1"})
		start := time.Now()
		res.ResolveNow(resolver.ResolveNowOptions{})
		c.expect(t, "a:1")
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("the lookup came %v after ResolveNow", d)
		}
		res.Close()
	})
}

func TestBadTarget(t *testing.T) {
	b := grpcresolver.NewBuilder(nil)
	if _, err := b.Build(resolver.Target{URL: url.URL{Scheme: "zk", Path: "/"}}, nil, resolver.BuildOptions{}); err == nil || !strings.Contains(err.Error(), "zk:///SERVICE") {
		t.Errorf("a target without a service: %v", err)
	}
	if b.Scheme() != "zk" {
		t.Error(b.Scheme())
	}
}
