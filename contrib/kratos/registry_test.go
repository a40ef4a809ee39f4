package kratos_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	nethttp "net/http"
	"os"
	"strings"
	"testing"
	"time"

	kratosv2 "github.com/go-kratos/kratos/v2"
	"github.com/go-kratos/kratos/v2/log"
	kratosregistry "github.com/go-kratos/kratos/v2/registry"
	"github.com/go-kratos/kratos/v2/transport/grpc"
	"github.com/go-kratos/kratos/v2/transport/http"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/zkrecipes/zkrecipes/contrib/kratos"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestMain(m *testing.M) {
	log.SetLogger(log.NewStdLogger(io.Discard))
	os.Exit(m.Run())
}

// testTimeout bounds every wait of a test.
const testTimeout = 5 * time.Minute

func newRegistry(s *session.Session) *kratos.Registry {
	return kratos.New(registry.New(s, "", registry.WithLayout(registry.Kratos)))
}

// run starts an application of go-kratos with a gRPC server and an HTTP server.
func run(t *testing.T, id string, r kratosregistry.Registrar) (stop func()) {
	t.Helper()
	g := grpc.NewServer(grpc.Address("127.0.0.1:0"))
	h := http.NewServer(http.Address("127.0.0.1:0"))
	h.HandleFunc("/who", func(w nethttp.ResponseWriter, _ *nethttp.Request) { io.WriteString(w, `"`+id+`"`) })
	started, ended := make(chan struct{}), make(chan error, 1)
	app := kratosv2.New(kratosv2.ID(id), kratosv2.Name("greeter"), kratosv2.Version("v1"), kratosv2.Metadata(map[string]string{"weight": "10"}),
		kratosv2.Server(g, h), kratosv2.Registrar(r), kratosv2.AfterStart(func(context.Context) error { close(started); return nil }))
	go func() { ended <- app.Run() }()
	select {
	case <-started:
	case err := <-ended:
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		if err := app.Stop(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// The clients of go-kratos find its servers, by gRPC and by HTTP, and continue when a
// server stops, and when its ZooKeeper session ends.
func TestClientsFindServers(t *testing.T) {
	target := zktest.New(t)
	a, b, c := target.Session(t), target.Session(t), target.Session(t)
	stop := run(t, "a", newRegistry(a))
	run(t, "b", newRegistry(b))
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	dis := newRegistry(c)

	conn, err := grpc.DialInsecure(ctx, grpc.WithEndpoint("discovery:///greeter"), grpc.WithDiscovery(dis), grpc.WithTimeout(testTimeout))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	health := grpc_health_v1.NewHealthClient(conn)
	client, err := http.NewClient(ctx, http.WithEndpoint("discovery:///greeter"), http.WithDiscovery(dis), http.WithBlock(), http.WithTimeout(testTimeout))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	waitForServers := func(want string) {
		t.Helper()
		for ctx.Err() == nil {
			seen := make(map[string]bool)
			for range 20 {
				if _, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
					seen["gRPC: "+err.Error()] = true
				}
				var who string
				if err := client.Invoke(ctx, "GET", "/who", nil, &who); err != nil {
					seen["HTTP: "+err.Error()] = true
					continue
				}
				seen[who] = true
			}
			if len(seen) == len(strings.Fields(want)) {
				for _, id := range strings.Fields(want) {
					delete(seen, id)
				}
				if len(seen) == 0 {
					return
				}
			}
		}
		t.Fatalf("the answers never came from exactly %s", want)
	}
	waitForServers("a b")
	stop()
	waitForServers("b")
	if list, err := dis.GetService(ctx, "greeter"); err != nil || len(list) != 1 || list[0].ID != "b" || list[0].Metadata["weight"] != "10" || len(list[0].Endpoints) != 2 {
		t.Errorf("the instances are %v, %v", list, err)
	}
	target.Expire(b.Status().ID)
	run(t, "c", newRegistry(a))
	waitForServers("b c")

	// A deregistered instance does not return. go-kratos' registry registers it again after
	// the end of its session.
	target.Expire(a.Status().ID)
	waitForServers("b c")
	for deadline := time.Now().Add(testTimeout); ; {
		list, err := dis.GetService(ctx, "greeter")
		if err != nil {
			t.Fatal(err)
		}
		ids := ""
		for _, si := range list {
			ids += si.ID
		}
		if ids == "bc" {
			break
		}
		if ids != "b" || time.Now().After(deadline) { // c is not registered again yet
			t.Fatalf("the instances are %q", ids)
		}
	}
}

var instance = kratosregistry.ServiceInstance{
	ID: "1", Name: "svc", Version: "v2", Metadata: map[string]string{"weight": "007", "k": "v"}, Endpoints: []string{"grpc://127.0.0.1:9000?isSecure=false", "http://127.0.0.1:8000"},
}

// The nodes are those of go-kratos' contrib/registry/zookeeper, its instance type as JSON.
// Each side can read the other's nodes.
func TestFormat(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	r := newRegistry(s)
	if err := r.Register(t.Context(), &instance); err != nil {
		t.Fatal(err)
	}
	data, _, err := s.Get(t.Context(), "/microservices/svc/1")
	if err != nil {
		t.Fatal(err)
	}
	var theirs kratosregistry.ServiceInstance
	if err := json.Unmarshal(data, &theirs); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(instance, theirs); diff != "" {
		t.Error(diff)
	}
	second := instance
	second.ID = "2"
	if data, err = json.Marshal(&second); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Create(t.Context(), "/microservices/svc/2", data, session.Ephemeral()); err != nil {
		t.Fatal(err)
	}
	list, err := r.GetService(t.Context(), "svc")
	if diff := cmp.Diff([]*kratosregistry.ServiceInstance{&instance, &second}, list); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestRegistrar(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	r := newRegistry(s)
	ctx := t.Context()
	for _, bad := range []kratosregistry.ServiceInstance{{Name: "svc", Endpoints: instance.Endpoints}, {Name: "svc", ID: "1"}, {ID: "1", Endpoints: instance.Endpoints}} {
		if err := r.Register(ctx, &bad); err == nil {
			t.Errorf("registered %+v", bad)
		}
	}
	if err := r.Deregister(ctx, &instance); err != nil {
		t.Errorf("Deregister of an unknown instance: %v", err)
	}
	si := instance
	for _, version := range []string{"1", "2"} { // the second time it is an update
		si.Version = version
		if err := r.Register(ctx, &si); err != nil {
			t.Fatal(err)
		}
		list, err := r.GetService(ctx, "svc")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]*kratosregistry.ServiceInstance{&si}, list); diff != "" {
			t.Error(diff)
		}
	}
	for range 2 {
		if err := r.Deregister(ctx, &si); err != nil {
			t.Error(err)
		}
	}
	if list, err := r.GetService(ctx, "svc"); err != nil || len(list) != 0 {
		t.Errorf("the instances are %v, %v", list, err)
	}

	// Instances of other layouts, and those that are disabled.
	other := registry.New(s, "/other")
	for id, disabled := range map[string]bool{"on": false, "off": true} {
		if _, err := other.Register(ctx, registry.Instance{Service: "svc", ID: id, Addr: "a:1", Weight: 3, Disabled: disabled}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := kratos.New(other).GetService(ctx, "svc")
	want := []*kratosregistry.ServiceInstance{{ID: "on", Name: "svc", Metadata: map[string]string{"weight": "3"}, Endpoints: []string{"grpc://a:1"}}}
	if diff := cmp.Diff(want, list); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// A watch reports nothing for a service without instances, reports an error once for
// each call, continues after it, and ends immediately.
func TestWatcher(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	r := newRegistry(s)
	if _, _, err := s.Create(t.Context(), "/microservices/svc", nil, session.Parents(),
		session.ACLs(session.ACL{Perms: session.PermAll &^ session.PermRead, Scheme: "world", ID: "anyone"})); err != nil {
		t.Fatal(err)
	}
	w, err := r.Watch(t.Context(), "svc")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := w.Next(); !errors.Is(err, session.ErrNoAuth) {
			t.Errorf("Next: %v", err)
		}
	}
	if _, err := s.SetACL(t.Context(), "/microservices/svc", session.OpenACL(), -1); err != nil {
		t.Fatal(err)
	}
	type answer struct {
		list []*kratosregistry.ServiceInstance
		err  error
	}
	answers := make(chan answer)
	ask := func() { list, err := w.Next(); answers <- answer{list, err} }
	go ask()
	if err := r.Register(t.Context(), &instance); err != nil {
		t.Fatal(err)
	}
	if a := <-answers; a.err != nil || len(a.list) != 1 {
		t.Errorf("Next: %+v", a)
	}
	go ask()
	if err := r.Deregister(t.Context(), &instance); err != nil {
		t.Fatal(err)
	}
	if a := <-answers; a.err != nil || len(a.list) != 0 {
		t.Errorf("Next: %+v", a)
	}
	go ask()
	for range 2 {
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
	}
	if a := <-answers; !errors.Is(a.err, context.Canceled) {
		t.Errorf("Next, stopped: %+v", a)
	}
	if _, err := w.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("Next after Stop: %v", err)
	}
	if err := s.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	if n := target.WatchesLeft(t); n != 0 {
		t.Errorf("%d watches are left", n)
	}
}
