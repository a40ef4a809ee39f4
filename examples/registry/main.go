// Two servers of a service register themselves, and a client finds and calls them.
// One ends, and the calls go on.
//
// It uses $ZK_SERVERS, or else a ZooKeeper of its own. The nodes are laid out as Go
// Micro's; change the layout to share them with Curator, Spring or go-kratos.
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
	s, err := session.Connect(ctx, servers)
	if err != nil {
		return err
	}
	defer s.Close(context.Background())
	r := registry.New(s, "", registry.WithLayout(registry.Micro)) // at /micro-registry

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

	greeters, err := r.Resolve(ctx, "greeter")
	if err != nil {
		return err
	}
	defer greeters.Close()
	next := registry.RoundRobin()
	for i := range 4 {
		if i == 2 {
			endAnn()
			fmt.Fprintln(out, "ann has ended")
		}
		if err := call(ctx, out, greeters, next); err != nil {
			return err
		}
	}
	return nil
}

// serve runs a server until end is called, which may be done again. It is registered once it can be called,
// and ends once it is not registered any more.
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
		Service: "greeter", Addr: listener.Addr().String(), Meta: map[string]string{"protocol": "http"},
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

// call tries one instance after the other.
func call(ctx context.Context, out io.Writer, greeters *registry.Resolver, next registry.Picker) error {
	for {
		in, err := greeters.Pick(next)
		if err != nil { // there are no instances
			return err
		}
		answer, err := get(ctx, "http://"+in.Addr)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			greeters.NoteError(in) // it may just have ended: others are tried for a while
			continue
		}
		_, err = fmt.Fprintln(out, answer)
		return err
	}
}

func get(ctx context.Context, url string) (string, error) {
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
