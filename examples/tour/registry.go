package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/zkrecipes/zkrecipes/registry"
)

// find has a client call a service of two instances, one of which is cut off until
// its session has ended.
func find(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob", "cleo")
	if err != nil {
		return err
	}
	defer all.leave()
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
	// Cleo's server may lag behind theirs.
	if err := next(ctx, greeters, func() bool { return len(greeters.Load()) == 2 }); err != nil {
		return err
	}
	turns := registry.RoundRobin()
	calls := func(n int) error {
		for range n {
			if _, err := cleo.call(ctx, greeters, turns); err != nil {
				return err
			}
		}
		return nil
	}
	if err := calls(2); err != nil {
		return err
	}
	ann.say("is cut off from everybody")
	ann.cut()
	if err := calls(3); err != nil {
		return err
	}
	if err := next(ctx, first, func() bool { return first.Err() != nil }); err != nil {
		return err
	}
	ann.say("is told: %v", first.Err())
	if err := next(ctx, greeters, func() bool { return len(greeters.Load()) == 1 }); err != nil {
		return err
	}
	ann.reconnect()
	if err := next(ctx, first, func() bool { return first.Err() == nil }); err != nil {
		return err
	}
	ann.say("is registered again, in session 0x%x", ann.Status().ID)
	// Cleo hears of it a moment later, and leaves ann alone for a rest.
	if err := next(ctx, greeters, func() bool { return len(greeters.Load()) == 2 }); err != nil {
		return err
	}
	if err := work(ctx, rest); err != nil {
		return err
	}
	return calls(2) // one each
}

// rest is how long cleo leaves an instance alone that has not answered.
const rest = 50 * time.Millisecond

func (a *actor) services() *registry.Registry {
	return registry.New(a.Session, "/services", registry.WithFailureBackoff(rest))
}

// greet answers calls, and is registered as long as it does.
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
	a.say("is registered at %s", listener.Addr())
	return reg, func() {
		reg.Deregister(ctx)
		srv.Close()
	}, nil
}

// call tries one instance after the other, and returns which of them has answered.
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
		a.say("gets no answer from %s, and tries the next", in.ID)
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

// next waits until ok holds of something that tells when it changes.
func next(ctx context.Context, what interface{ Changed() <-chan struct{} }, ok func() bool) error {
	for {
		changed := what.Changed()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
