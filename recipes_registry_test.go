package zkrecipes_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// What is written through one server is read through another.
func TestPseudoCluster(t *testing.T) {
	target := zktest.Open(t)
	hosts := strings.Split(target.Hosts(), ",")
	if target.Kind == zktest.RealEnsemble && len(hosts) != 3 {
		t.Fatalf("the servers are %q", hosts)
	}
	for i, writer := range hosts {
		reader := hosts[(i+1)%len(hosts)]
		w, r := through(t, target, writer), through(t, target, reader)
		path, data := fmt.Sprint("/written-", i), fmt.Sprint("through ", writer)
		if _, _, err := w.Create(t.Context(), path, []byte(data)); err != nil {
			t.Fatal(err)
		}
		if err := r.Sync(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		if got, _, err := r.Get(t.Context(), path); err != nil || string(got) != data {
			t.Errorf("through %s there is %q (%v)", reader, got, err)
		}
	}
}

// through connects to one server alone.
func through(t *testing.T, target *zktest.Target, host string) *session.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := session.Connect(ctx, host+target.Root())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// microService is a service as Go Micro's registry stores it.
type microService struct {
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	Metadata  map[string]string `json:"metadata"`
	Endpoints []any             `json:"endpoints"`
	Nodes     []*microNode      `json:"nodes"`
}

type microNode struct {
	ID       string            `json:"id"`
	Address  string            `json:"address"`
	Metadata map[string]string `json:"metadata"`
}

// A Go Micro service registers itself in ZooKeeper, as that framework's plugin does
// with go-zookeeper, and one of ours beside it. Clients of both kinds, each through
// a server of its own, find both and call them.
func TestGoMicroRegistry(t *testing.T) {
	target := zktest.Open(t)
	hosts := strings.Split(target.Hosts(), ",")
	foreign, events, err := zk.Connect(hosts[:1], 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	for e := range events {
		if e.State == zk.StateHasSession {
			break
		}
	}
	greeter := func(name string) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello from "+name) }))
		t.Cleanup(srv.Close)
		return srv.Listener.Addr().String()
	}

	dir := target.Root() + "/micro-registry/go.micro.greeter"
	data, err := json.Marshal(microService{Name: "go.micro.greeter", Version: "latest", Nodes: []*microNode{
		{ID: "go.micro.greeter-1", Address: greeter("theirs"), Metadata: map[string]string{"protocol": "http"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []struct {
		path string
		data []byte
	}{{target.Root() + "/micro-registry", nil}, {dir, nil}, {dir + "/go.micro.greeter-1", data}} {
		if _, err := foreign.Create(node.path, node.data, 0, zk.WorldACL(zk.PermAll)); err != nil {
			t.Fatal(err)
		}
	}

	s := through(t, target, hosts[len(hosts)-1])
	r := registry.New(s, "", registry.WithLayout(registry.Micro))
	g, err := r.Register(t.Context(), registry.Instance{
		Service: "go.micro.greeter", ID: "go.micro.greeter-2", Addr: greeter("ours"), Version: "latest", Meta: map[string]string{"protocol": "http"},
	})
	if err != nil {
		t.Fatal(err)
	}

	if err := s.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	list, err := r.Lookup(t.Context(), "go.micro.greeter")
	if err != nil {
		t.Fatal(err)
	}
	var ours []string
	for _, in := range list {
		ours = append(ours, in.Addr)
	}
	answers(t, ours)

	// A client that keeps them at hand, through another server.
	c := through(t, target, hosts[len(hosts)/2])
	greeters, err := registry.New(c, "", registry.WithLayout(registry.Micro)).Resolve(t.Context(), "go.micro.greeter")
	if err != nil {
		t.Fatal(err)
	}
	defer greeters.Close()
	settle(t, greeters, 2)
	turns := registry.RoundRobin()
	var picked []string
	for range 2 {
		in, err := greeters.Pick(turns)
		if err != nil {
			t.Fatal(err)
		}
		picked = append(picked, in.Addr)
	}
	answers(t, picked)

	if _, err := foreign.Sync(dir); err != nil {
		t.Fatal(err)
	}
	names, _, err := foreign.Children(dir)
	if err != nil {
		t.Fatal(err)
	}
	var theirs []string
	for _, name := range names {
		data, _, err := foreign.Get(dir + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var service microService
		if err := json.Unmarshal(data, &service); err != nil || len(service.Nodes) != 1 || service.Name != "go.micro.greeter" {
			t.Fatalf("%s: %s (%v)", name, data, err)
		}
		theirs = append(theirs, service.Nodes[0].Address)
	}
	answers(t, theirs)

	// Unlike Go Micro's, our node goes with its process.
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.Err(); err == nil {
		t.Error("the session is closed, and the registration says nothing")
	}
	if _, err := foreign.Sync(dir); err != nil {
		t.Fatal(err)
	}
	if names, _, err := foreign.Children(dir); err != nil || len(names) != 1 || names[0] != "go.micro.greeter-1" {
		t.Errorf("left are %q (%v)", names, err)
	}
	settle(t, greeters, 1)

	// Theirs goes when it is deregistered.
	if err := foreign.Delete(dir+"/go.micro.greeter-1", -1); err != nil {
		t.Fatal(err)
	}
	settle(t, greeters, 0)
	if _, err := greeters.Pick(turns); !errors.Is(err, registry.ErrNoInstances) {
		t.Errorf("picked among none: %v", err)
	}
}

// settle waits until so many instances are known.
func settle(t *testing.T, r *registry.Resolver, n int) {
	t.Helper()
	for {
		changed := r.Changed()
		if len(r.Instances()) == n {
			return
		}
		await(t, fmt.Sprint(n, " instances"), changed)
	}
}

// answers calls the servers at some addresses, which must be one of each kind.
func answers(t *testing.T, addrs []string) {
	t.Helper()
	said := make(map[string]bool)
	for _, addr := range addrs {
		response, err := http.Get("http://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		said[string(body)] = true
	}
	if len(addrs) != 2 || !said["hello from ours"] || !said["hello from theirs"] {
		t.Errorf("the servers at %q say %v", addrs, said)
	}
}
