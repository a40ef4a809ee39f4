package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
)

// callService lets a client call a service of two instances, one of which is cut off
// until its ZooKeeper session has ended.
func callService(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob", "cleo")
	if err != nil {
		return err
	}
	defer all.close()
	var first *registry.Registration
	for _, a := range all[:2] {
		reg, end, err := a.greet(ctx)
		if err != nil {
			return err
		}
		defer end()
		if first == nil {
			first = reg
		}
	}
	ann, cleo := all[0], all[2]
	greeters, err := cleo.services().Resolve(ctx, "greeter")
	if err != nil {
		return err
	}
	defer greeters.Close()
	// Cleo's server may lag behind.
	if err := next(ctx, greeters, func() bool { return len(greeters.Load()) == 2 }); err != nil {
		return err
	}
	cleo.say("finds %d instances", len(greeters.Load()))
	turns := registry.RoundRobin()
	// callUntil calls until the instance with the name has answered.
	callUntil := func(want string) error {
		for {
			who, err := cleo.call(ctx, greeters, turns)
			if err != nil || who == want {
				return err
			}
		}
	}
	if err := callUntil("bob"); err != nil {
		return err
	}
	ann.say("is cut off")
	ann.cut()
	if err := callUntil("bob"); err != nil {
		return err
	}
	if err := next(ctx, first, func() bool { return errors.Is(first.Err(), session.ErrExpired) }); err != nil {
		return err
	}
	ann.say("knows that it is not registered: Registration.Err wraps session.ErrExpired")
	if err := next(ctx, greeters, func() bool { return len(greeters.Load()) == 1 }); err != nil {
		return err
	}
	ann.reconnect()
	if err := next(ctx, first, func() bool { return first.Err() == nil }); err != nil {
		return err
	}
	ann.say("is registered again, in session 0x%x", ann.Status().ID)
	// Cleo's view changes a moment later, and the pause after an error must be over.
	if err := next(ctx, greeters, func() bool { return len(greeters.Load()) == 2 }); err != nil {
		return err
	}
	if err := work(ctx, backoff); err != nil {
		return err
	}
	return callUntil(ann.name)
}

// backoff is how long cleo does not call an instance that has not answered.
const backoff = 50 * time.Millisecond

func (a *actor) services() *registry.Registry {
	return registry.New(a.Session, "/services", registry.WithFailureBackoff(backoff))
}

// greet answers calls and is registered until end is called.
func (a *actor) greet(ctx context.Context) (reg *registry.Registration, end func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if a.isCut() {
			panic(http.ErrAbortHandler) // the caller loses the connection
		}
		io.WriteString(w, a.name)
	})}
	go srv.Serve(listener)
	reg, err = a.services().Register(ctx, registry.Instance{Service: "greeter", ID: a.name, Addr: listener.Addr().String()})
	if err != nil {
		srv.Close()
		return nil, nil, err
	}
	return reg, func() {
		reg.Deregister(ctx)
		srv.Close()
	}, nil
}

// call calls one instance after the other until one answers, and returns its name.
func (a *actor) call(ctx context.Context, greeters *registry.Resolver, turns registry.Picker) (who string, err error) {
	for {
		in, err := greeters.Pick(turns)
		if err != nil {
			return "", err
		}
		who, err := ask(ctx, in.Addr)
		if err == nil {
			a.say("is answered by %s", who)
			return who, nil
		}
		if ctx.Err() != nil {
			return "", err
		}
		greeters.NoteError(in)
		a.say("gets no answer from %s and calls the next instance", in.ID)
	}
}

func ask(ctx context.Context, addr string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", response.Status)
	}
	return string(body), err
}
