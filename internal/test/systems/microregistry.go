package systems

import (
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
	"github.com/zkrecipes/zkrecipes/zktest"
)

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

// GoMicroRegistry registers one instance of a service as Go Micro's plugin does, with
// go-zookeeper, and one with package registry. Clients of both kinds, each connected to
// another server, find both instances and call them.
func GoMicroRegistry(t *testing.T, target *zktest.Target) {
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
	startGreeter := func(name string) (addr string) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello from "+name) }))
		t.Cleanup(srv.Close)
		return srv.Listener.Addr().String()
	}

	dir := target.Root() + "/micro-registry/go.micro.greeter"
	data, err := json.Marshal(microService{Name: "go.micro.greeter", Version: "latest", Nodes: []*microNode{
		{ID: "go.micro.greeter-1", Address: startGreeter("theirs"), Metadata: map[string]string{"protocol": "http"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []struct {
		path string
		data []byte
	}{{target.Root() + "/micro-registry", nil}, {dir, nil}, {dir + "/go.micro.greeter-1", data}} {
		if _, err := foreign.Create(node.path, node.data, 0, openACL); err != nil {
			t.Fatal(err)
		}
	}

	s := connectTo(t, target, hosts[len(hosts)-1])
	r := registry.New(s, "", registry.WithLayout(registry.Micro))
	registration, err := r.Register(t.Context(), registry.Instance{
		Service: "go.micro.greeter", ID: "go.micro.greeter-2", Addr: startGreeter("ours"), Version: "latest", Meta: map[string]string{"protocol": "http"},
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
	var found []string
	for _, in := range list {
		found = append(found, in.Addr)
	}
	callBoth(t, found)

	// A client that has a resolver, through another server.
	c := connectTo(t, target, hosts[len(hosts)/2])
	resolver, err := registry.New(c, "", registry.WithLayout(registry.Micro)).Resolve(t.Context(), "go.micro.greeter")
	if err != nil {
		t.Fatal(err)
	}
	defer resolver.Close()
	awaitInstances(t, resolver, 2)
	picker := registry.RoundRobin()
	var picked []string
	for range 2 {
		in, err := resolver.Pick(picker)
		if err != nil {
			t.Fatal(err)
		}
		picked = append(picked, in.Addr)
	}
	callBoth(t, picked)

	// A client that reads the nodes as Go Micro's plugin does.
	if _, err := foreign.Sync(dir); err != nil {
		t.Fatal(err)
	}
	names, _, err := foreign.Children(dir)
	if err != nil {
		t.Fatal(err)
	}
	var read []string
	for _, name := range names {
		data, _, err := foreign.Get(dir + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var service microService
		if err := json.Unmarshal(data, &service); err != nil || len(service.Nodes) != 1 || service.Name != "go.micro.greeter" {
			t.Fatalf("%s: %s (%v)", name, data, err)
		}
		read = append(read, service.Nodes[0].Address)
	}
	callBoth(t, read)

	// The node of package registry is deleted with its session; Go Micro's is not.
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := registration.Err(); err == nil {
		t.Error("the session is closed, and the registration has no error")
	}
	if _, err := foreign.Sync(dir); err != nil {
		t.Fatal(err)
	}
	if names, _, err := foreign.Children(dir); err != nil || len(names) != 1 || names[0] != "go.micro.greeter-1" {
		t.Errorf("left are %q (%v)", names, err)
	}
	awaitInstances(t, resolver, 1)

	// Go Micro's plugin deletes its node when the service is deregistered.
	if err := foreign.Delete(dir+"/go.micro.greeter-1", -1); err != nil {
		t.Fatal(err)
	}
	awaitInstances(t, resolver, 0)
	if _, err := resolver.Pick(picker); !errors.Is(err, registry.ErrNoInstances) {
		t.Errorf("picked among none: %v", err)
	}
}

// awaitInstances waits until a resolver has n instances.
func awaitInstances(t *testing.T, r *registry.Resolver, n int) {
	t.Helper()
	for {
		changed := r.Changed()
		if len(r.Load()) == n {
			return
		}
		receive(t, fmt.Sprintf("change to %d instances", n), changed)
	}
}

// callBoth calls the servers at addrs, which must be the instance of Go Micro and that
// of package registry.
func callBoth(t *testing.T, addrs []string) {
	t.Helper()
	answers := make(map[string]bool)
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
		answers[string(body)] = true
	}
	if len(addrs) != 2 || !answers["hello from ours"] || !answers["hello from theirs"] {
		t.Errorf("the servers at %q answer %v", addrs, answers)
	}
}
