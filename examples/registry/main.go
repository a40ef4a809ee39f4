// Two servers of a service register themselves, and a client finds and calls them.
// One ends, and the calls go on.
//
// It uses $ZK_SERVERS, or else a server of its own. The nodes are laid out as Go
// Micro's, where its programs look for them; change the layout to share them with
// Curator, Spring Cloud or go-kratos. To see them come and go, have this beside it:
//
//	zkr service watch --layout micro
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	servers := os.Getenv("ZK_SERVERS")
	if servers == "" {
		srv, err := zktest.Start()
		if err != nil {
			return err
		}
		defer srv.Close()
		servers = srv.Addr()
	}
	connecting, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	s, err := session.Connect(connecting, servers)
	if err != nil {
		return err
	}
	defer s.Close(context.Background())
	r := registry.New(s, "", registry.WithLayout(registry.Micro)) // at /micro-registry, the layout's own place

	endAnn, err := serve(ctx, r, "ann")
	if err != nil {
		return err
	}
	defer endAnn()
	endBob, err := serve(ctx, r, "bob")
	if err != nil {
		return err
	}
	defer endBob()

	// A Resolver follows the service: Pick asks no server, and goes on when there is none.
	greeters, err := r.Resolve(ctx, service)
	if err != nil {
		return err
	}
	defer greeters.Close()
	turns := registry.RoundRobin()
	for i := range 4 {
		if i == 2 {
			endAnn()
			fmt.Fprintln(out, "ann has ended")
		}
		if err := call(ctx, out, greeters, turns); err != nil {
			return err
		}
	}
	return nil
}

// service is the name under which the servers are found.
const service = "examples.greeter"

// serve runs a server until end is called, which may be done again. It is registered
// once it can be called, and ends once it is not registered any more.
func serve(ctx context.Context, r *registry.Registry, name string) (end func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "hello from %s", name)
	})}
	go srv.Serve(listener)
	reg, err := r.Register(ctx, registry.Instance{
		Service: service, Addr: listener.Addr().String(), Meta: map[string]string{"protocol": "http"},
	})
	if err != nil {
		srv.Close()
		return nil, err
	}
	return func() {
		reg.Deregister(context.Background())
		srv.Close()
	}, nil
}

// attempts is how many instances a call tries at the most, and patience how long it
// waits for each.
const (
	attempts = 3
	patience = 5 * time.Second
)

// call tries one instance after the other.
func call(ctx context.Context, out io.Writer, greeters *registry.Resolver, turns registry.Picker) error {
	for attempt := 1; ; attempt++ {
		in, err := greeters.Pick(turns)
		if err != nil { // there are no instances
			return err
		}
		answer, err := get(ctx, "http://"+in.Addr)
		if err == nil {
			_, err = fmt.Fprintln(out, answer)
			return err
		}
		if attempt == attempts || ctx.Err() != nil {
			return err
		}
		greeters.NoteError(in) // it may just have ended: others are picked for a while
	}
}

func get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}
