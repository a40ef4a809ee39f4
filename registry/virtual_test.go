package registry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run in virtual time, on the in-process server.

// smallest follows a service and keeps the smallest number of instances that it
// has shown after it had shown all.
type smallest struct {
	sync.Mutex
	full, least int
	last        []registry.Instance
}

func (c *smallest) see(list []registry.Instance) {
	c.Lock()
	defer c.Unlock()
	c.full, c.last = max(c.full, len(list)), list
	if len(list) == c.full {
		c.least = max(c.least, 0)
	}
	c.least = min(c.least, len(list)-c.full)
}

func follow(t testing.TB, r *registry.Registry, service string) *smallest {
	c := &smallest{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for list, err := range r.Watch(ctx, service) {
			if err == nil {
				c.see(list)
			}
		}
	}()
	return c
}

func (c *smallest) check(t testing.TB, full int) {
	t.Helper()
	c.Lock()
	defer c.Unlock()
	if c.full != full || len(c.last) != full || c.least != 0 {
		t.Errorf("it shows %d of %d instances, and has shown %d less", len(c.last), full, -c.least)
	}
}

// Curator's fault 3.25: at a reconnect within the same session it deletes every
// instance and creates it again, and observers see fewer.
func TestReconnectIsNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		o := srv.Session(t)
		seen := follow(t, registry.New(o, root), "web")
		var sessions []*session.Session
		for i := range 10 {
			s := srv.Session(t)
			sessions = append(sessions, s)
			register(t, registry.New(s, root), registry.Instance{ID: fmt.Sprint(i)})
		}
		time.Sleep(time.Minute)
		seen.check(t, 10)
		before := srv.Tree()
		for range 20 {
			for _, s := range sessions { // each loses its connection, and comes back
				remove := srv.Inject(zktest.Rule{Session: s.Status().ID, Nth: 1, Fault: zktest.Cut})
				if err := s.Sync(t.Context(), "/"); err != nil {
					t.Fatal(err)
				}
				remove()
			}
			time.Sleep(time.Second)
			srv.Stop()
			time.Sleep(time.Second)
			if err := srv.Restart(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		seen.check(t, 10)
		if after := srv.Tree(); after != before {
			t.Errorf("the nodes were touched:\n%s\n%s", before, after)
		}
	})
}

// After the end of a session the instance is back, and never twice.
func TestExpiryIsRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		o, s := srv.Session(t), srv.Session(t)
		r := registry.New(o, root)
		seen := follow(t, r, "web")
		g := register(t, registry.New(s, root), registry.Instance{})
		time.Sleep(time.Minute)
		for range 5 {
			token := g.Token()
			srv.Expire(s.Status().ID)
			time.Sleep(time.Minute)
			if g.Token() <= token {
				t.Errorf("after an expiry the token is %v, and was %v", g.Token(), token)
			}
			if list := lookup(t, r, "web"); len(list) != 1 || list[0].ID != g.Instance().ID || !list[0].Registered.Equal(g.Instance().Registered) {
				t.Errorf("after an expiry there are %+v", list)
			}
			if err := g.Err(); err != nil {
				t.Errorf("Err: %v", err)
			}
		}
		// The client ends its session before the server does: the new node replaces the
		// old one, and every reader sees one of them.
		seen.Lock()
		seen.least = 0
		seen.Unlock()
		id := s.Status().ID
		heal := srv.Partition(id)
		for s.Status().ID == id {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		heal()
		time.Sleep(time.Minute)
		seen.check(t, 1)
	})
}

// While the ensemble cannot be reached, the last instances are kept and picks continue.
// Changes are seen after it can be reached again.
func TestEnsembleUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, o := srv.Session(t), srv.Session(t)
		r := registry.New(s, root)
		a := register(t, r, registry.Instance{ID: "a"})
		register(t, r, registry.Instance{ID: "b"})
		v, err := registry.New(o, root).Resolve(t.Context(), "web")
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		w := follow(t, registry.New(o, root), "web")
		for _, down := range []time.Duration{5 * time.Second, time.Hour} {
			srv.Stop()
			time.Sleep(down)
			if err := v.Err(); err == nil {
				t.Error("Err is nil although nothing can be known")
			}
			for range 10 {
				if _, err := v.Pick(registry.Random()); err != nil {
					t.Error(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			begun := time.Now()
			_, lerr := registry.New(o, root).Lookup(ctx, "web")
			_, rerr := registry.New(o, root).Resolve(ctx, "web")
			_, gerr := r.Register(ctx, registry.Instance{Service: "web", Addr: "a:1"})
			uerr := a.Update(ctx, registry.Instance{Addr: "a:2"})
			for _, err := range []error{lerr, rerr, gerr, uerr} {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("while the ensemble cannot be reached: %v", err)
				}
			}
			if d := time.Since(begun); d > time.Second {
				t.Errorf("calls of half a second took %v", d)
			}
			cancel()
			if err := srv.Restart(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			if got := ids(v.Load()); got != "a b" || v.Err() != nil {
				t.Errorf("afterwards there are %q, %v", got, v.Err())
			}
		}
		w.Lock()
		defer w.Unlock()
		if w.least != 0 || ids(w.last) != "a b" {
			t.Errorf("a watch has shown %d less, and now %q", -w.least, ids(w.last))
		}
	})
}

// A refusal that lasts does not cause a busy loop (Curator's fault 3.25).
func TestRefusalDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		admin, s := srv.Session(t), srv.Session(t)
		r := registry.New(s, root)
		g := register(t, r, registry.Instance{ID: "a"})
		register(t, registry.New(admin, root), registry.Instance{ID: "b"}) // keeps the service's node
		if _, err := admin.SetACL(t.Context(), root+"/web", []session.ACL{{Perms: session.PermRead | session.PermAdmin, Scheme: "world", ID: "anyone"}}, -1); err != nil {
			t.Fatal(err)
		}
		srv.Expire(s.Status().ID)
		time.Sleep(time.Second)
		srv.ResetRequests()
		time.Sleep(10 * time.Minute)
		if !errors.Is(g.Err(), session.ErrNoAuth) {
			t.Errorf("Err: %v", g.Err())
		}
		if n := len(srv.Requests()); n > 200 {
			t.Errorf("%d requests in ten minutes", n)
		}
		if _, err := admin.SetACL(t.Context(), root+"/web", session.OpenACL(), -1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		wants(t, admin, r, "web", "a", "b")
	})
}

// The calls cost what their comments say.
func TestRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		const delay = 5 * time.Millisecond
		s := testkit.SlowSession(t, srv, delay)
		r := registry.New(s, root)
		first := register(t, r, registry.Instance{ID: "first"}) // makes the parents
		for i := range 9 {
			register(t, r, registry.Instance{ID: fmt.Sprint(i)})
		}
		time.Sleep(time.Minute)
		var g *registry.Registration
		var v *registry.Resolver
		var err error
		for _, test := range []struct {
			name  string
			trips time.Duration
			call  func()
		}{
			{"Register", 1, func() { g = register(t, r, registry.Instance{ID: "x"}) }},
			{"Update", 2, func() { err = g.Update(t.Context(), registry.Instance{Addr: "a:1"}) }},
			{"Deregister", 1, func() { deregister(t, g) }},
			{"Lookup", 2, func() { _, err = r.Lookup(t.Context(), "web") }},
			{"Services", 4, func() { _, err = r.Services(t.Context()) }},
			{"Resolve", 2, func() { v, err = r.Resolve(t.Context(), "web") }},
			{"Deregister, seen by a Resolver", 2, func() {
				changed := v.Changed()
				deregister(t, first)
				<-changed
			}},
			{"Pick", 0, func() { _, err = v.Pick(registry.RoundRobin()) }},
		} {
			begun := time.Now()
			test.call()
			if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			if d := time.Since(begun); d != test.trips*2*delay {
				t.Errorf("%s took %v, where a round trip takes %v", test.name, d, 2*delay)
			}
			time.Sleep(time.Minute)
		}
		v.Close()
	})
}

// An instance that is deleted during a lookup is not returned, and causes no error.
func TestGoneMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, o := srv.Session(t), srv.Session(t)
		register(t, registry.New(s, root), registry.Instance{ID: "a"})
		r := registry.New(o, root, registry.WithMalformedHandler(func(err error) { t.Errorf("reported: %v", err) }))
		b := register(t, r, registry.Instance{ID: "b"})
		id := s.Status().ID
		srv.Fault(func(q zktest.Request) zktest.Fault {
			if q.Op == "getData" {
				srv.Expire(id)
			}
			return zktest.Pass
		})
		if got := ids(lookup(t, r, "web")); got != "b" {
			t.Errorf("there are %q", got)
		}
		deregister(t, b)
	})
}

// Every call can be given up at every moment, and leaves nothing.
func TestCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		r := registry.New(s, root)
		stays := register(t, r, registry.Instance{ID: "stays"})
		remove := srv.Inject(zktest.Rule{Delay: 10 * time.Millisecond})
		for after := range 8 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(after)*5*time.Millisecond)
			g, err := r.Register(ctx, registry.Instance{Service: fmt.Sprint("service ", after), Addr: "a:1"})
			if err == nil {
				deregister(t, g)
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Register: %v", err)
			}
			cancel()
			for name, call := range map[string]func(context.Context) error{
				"Lookup":   func(ctx context.Context) error { _, err := r.Lookup(ctx, "web"); return err },
				"Services": func(ctx context.Context) error { _, err := r.Services(ctx); return err },
				"Update":   func(ctx context.Context) error { return stays.Update(ctx, registry.Instance{Addr: "b:1"}) },
				"Resolve": func(ctx context.Context) error {
					v, err := r.Resolve(ctx, "web")
					if err == nil {
						v.Close()
					}
					return err
				},
			} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(after)*5*time.Millisecond)
				if err := call(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v", name, err)
				}
				cancel()
			}
		}
		remove()
		time.Sleep(time.Minute)
		deregister(t, stays)
		time.Sleep(time.Minute)
		for line := range strings.Lines(srv.Tree()) {
			if strings.Contains(line, "ephemeral") {
				t.Errorf("left: %s", line)
			}
		}
		if w := srv.Watches(); len(w) > 0 {
			t.Errorf("left: %v", w)
		}
	})
}
