package registry_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
)

// Curator's fault 3.6: a registration whose create lost two replies was reported as
// done, but its node did not exist. Here the node exists after a nil error, belongs to
// the session and has the right data, whatever is lost; or it is being created again,
// if the session was lost.
func TestFaultsRegisterUpdateDeregister(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		r, observer := registry.New(s.Faulty, root), registry.New(s.Healthy, root)
		g := register(s, r, registry.Instance{ID: "a", Addr: "one:1"})
		checkRegistered(s, observer, g, "one:1")
		err := g.Update(s.Context(), registry.Instance{Addr: "two:1"})
		if err != nil {
			s.Errorf("Update: %v", err)
		}
		checkRegistered(s, observer, g, "two:1")
		time.Sleep(15 * time.Second) // whatever has been lost has come back
		checkRegistered(s, observer, g, "two:1")
		deregister(s, g)
		wants(s, s.Healthy, observer, "web")
		time.Sleep(15 * time.Second)
		wants(s, s.Healthy, observer, "web")
	})
}

// checkRegistered checks that the instance is listed once, with the given address. It
// waits until the registration is settled.
func checkRegistered(s *faulttable.Run, observer *registry.Registry, g *registry.Registration, addr string) {
	s.Helper()
	for {
		changed := g.Changed()
		id := s.Faulty.Status().ID
		list := lookup(s, observer, "web")
		if g.Err() != nil || !slices.Contains(s.Server.Sessions(), id) {
			select {
			case <-changed:
			case <-time.After(time.Second):
			}
			continue
		}
		if len(list) != 1 || list[0].Addr != addr {
			s.Errorf("the instances are %+v, want one at %s", list, addr)
		}
		return
	}
}

// Lookup and Watch return the existing instances under every fault.
func TestFaultsLookupWatch(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		ctx, cancel := context.WithTimeout(s.Context(), testkit.Limit)
		defer cancel()
		r := registry.New(s.Faulty, root)
		a := register(s, registry.New(s.Healthy, root), registry.Instance{ID: "a"})
		if list, err := r.Lookup(ctx, "web"); err != nil || ids(list) != "a" {
			s.Errorf("Lookup: %q, %v", ids(list), err)
		}
		b := register(s, registry.New(s.Healthy, root), registry.Instance{ID: "b"})
		for list, err := range r.Watch(ctx, "web") {
			if err != nil {
				s.Errorf("Watch: %v", err)
				break
			}
			if ids(list) == "a b" {
				deregister(s, b)
			} else if ids(list) == "a" {
				break
			} else {
				s.Errorf("Watch: %q", ids(list))
			}
		}
		deregister(s, a)
	})
}

// A Register whose context ends, at whatever moment, leaves nothing.
func TestFaultsRegisterCanceled(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		ctx, cancel := context.WithTimeout(s.Context(), 300*time.Millisecond)
		defer cancel()
		g, err := registry.New(s.Faulty, root).Register(ctx, registry.Instance{Service: "web", Addr: "a:1"})
		switch {
		case err == nil:
			deregister(s, g)
		case !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, session.ErrExpired):
			s.Errorf("Register: %v", err)
		}
		time.Sleep(30 * time.Second)
		wants(s, s.Healthy, registry.New(s.Healthy, root), "web")
	})
}
