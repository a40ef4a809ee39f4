package registry_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func Example() {
	server, err := zktest.Start() // a ZooKeeper to try things with
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	ctx := context.Background()
	s, err := session.Connect(ctx, server.Addr()) // "zk1:2181,zk2:2181,zk3:2181"
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close(ctx)
	r := registry.New(s, "/services")

	// A server registers an instance for as long as it runs.
	reg, err := r.Register(ctx, registry.Instance{
		Service: "greeter", ID: "greeter-1", Addr: "10.0.0.1:8080", Meta: map[string]string{"zone": "a"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer reg.Deregister(ctx)

	// A client finds it.
	instances, err := r.Lookup(ctx, "greeter")
	if err != nil {
		log.Fatal(err)
	}
	for _, in := range instances {
		fmt.Println(in.ID, "is at", in.Addr, "in zone", in.Meta["zone"])
	}
	// Output:
	// greeter-1 is at 10.0.0.1:8080 in zone a
}

// open is for the examples below; the first one shows it in full.
func open() (s *session.Session, done func()) {
	server, err := zktest.Start()
	if err != nil {
		log.Fatal(err)
	}
	s, err = session.Connect(context.Background(), server.Addr())
	if err != nil {
		log.Fatal(err)
	}
	return s, func() {
		s.Close(context.Background())
		server.Close()
	}
}

// A client that calls a service often keeps its instances in memory.
func ExampleRegistry_Resolve() {
	s, done := open()
	defer done()
	ctx := context.Background()
	r := registry.New(s, "/services")
	for _, in := range []registry.Instance{
		{Service: "greeter", ID: "1", Addr: "10.0.0.1:8080"},
		{Service: "greeter", ID: "2", Addr: "10.0.0.2:8080", Weight: 2},
	} {
		reg, err := r.Register(ctx, in)
		if err != nil {
			log.Fatal(err)
		}
		defer reg.Deregister(ctx)
	}

	greeters, err := r.Resolve(ctx, "greeter")
	if err != nil {
		log.Fatal(err)
	}
	defer greeters.Close()
	next := registry.RoundRobin() // one for all calls
	for range 6 {
		in, err := greeters.Pick(next)
		if err != nil { // there are no instances
			log.Fatal(err)
		}
		fmt.Println(in.Addr)
	}

	in, err := greeters.Pick(registry.Sticky("user 17"))
	if err != nil {
		log.Fatal(err)
	}
	greeters.NoteError(in) // the call has failed: it is not picked for a while
	again, err := greeters.Pick(registry.Sticky("user 17"))
	fmt.Println(in.ID != again.ID, err)
	// Output:
	// 10.0.0.2:8080
	// 10.0.0.1:8080
	// 10.0.0.2:8080
	// 10.0.0.2:8080
	// 10.0.0.1:8080
	// 10.0.0.2:8080
	// true <nil>
}

// Watch yields all instances, and again after every change.
func ExampleRegistry_Watch() {
	s, done := open()
	defer done()
	ctx := context.Background()
	r := registry.New(s, "/services")

	var reg *registry.Registration
	for instances, err := range r.Watch(ctx, "greeter") {
		if err != nil { // ctx has ended, or nothing can be read
			log.Fatal(err)
		}
		var addrs []string
		for _, in := range instances {
			addrs = append(addrs, in.Addr)
		}
		fmt.Printf("%q\n", addrs)
		switch {
		case reg == nil:
			reg, err = r.Register(ctx, registry.Instance{Service: "greeter", ID: "1", Addr: "10.0.0.1:8080"})
		case addrs == nil:
			return // leaves no watch behind
		case addrs[0] == "10.0.0.1:8080":
			err = reg.Update(ctx, registry.Instance{Addr: "10.0.0.9:8080"}) // the other fields are kept
		default:
			err = reg.Deregister(ctx)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// []
	// ["10.0.0.1:8080"]
	// ["10.0.0.9:8080"]
	// []
}

// The layout decides which other libraries can share a registry.
func ExampleWithLayout() {
	s, done := open()
	defer done()
	ctx := context.Background()
	r := registry.New(s, "", registry.WithLayout(registry.Micro)) // at /micro-registry

	reg, err := r.Register(ctx, registry.Instance{Service: "greeter", ID: "greeter-1", Addr: "10.0.0.1:8080", Version: "latest"})
	if err != nil {
		log.Fatal(err)
	}
	defer reg.Deregister(ctx)
	data, _, err := s.Get(ctx, "/micro-registry/greeter/greeter-1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.ReplaceAll(string(data), `,"`, ",\n\""))
	// Output:
	// {"name":"greeter",
	// "version":"latest",
	// "metadata":null,
	// "endpoints":null,
	// "nodes":[{"id":"greeter-1",
	// "address":"10.0.0.1:8080",
	// "metadata":{}}]}
}

// The URI template of an instance has Curator's syntax.
func ExampleInstance_URI() {
	in := registry.Instance{Service: "greeter", ID: "1", Addr: "10.0.0.1:8080", URISpec: "{scheme}://{address}:{port}/{name}/{path}"}
	fmt.Println(in.URI(map[string]string{"path": "hello"}))
	// Output:
	// http://10.0.0.1:8080/greeter/hello
}
