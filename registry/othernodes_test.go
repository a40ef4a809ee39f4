package registry_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A node below a registry's root that is no instance is reported. It counts neither as an
// instance nor as a service.
func TestOtherObjectsAreNoInstances(t *testing.T) {
	for layout, objects := range map[registry.Layout][]string{
		registry.Curator:   {`{"host":"h","port":9092,"version":5}`, `{"name":"s","id":"1"}`, `{"id":"1","address":"h"}`, `{"name":"s","address":"h"}`, `{}`},
		registry.Spring:    {`{"host":"h","port":9092}`, `{"name":"s","id":"1"}`, `{}`},
		registry.Micro:     {`{"host":"h","port":9092}`, `{"name":"s","nodes":[{}]}`, `{"nodes":[{"address":"h:1"}]}`},
		registry.Kratos:    {`{"host":"h","port":9092}`, `{"name":"s","id":"1"}`, `{"endpoints":["grpc://h:1"]}`},
		registry.ServerSet: {`{"host":"h","port":9092}`, `{"serviceEndpoint":{"port":1}}`, `{}`},
	} {
		t.Run(layout.String(), func(t *testing.T) {
			s := zktest.Open(t).Session(t)
			for i, o := range objects {
				path := "/r/ids/member_000000000" + string(rune('0'+i))
				if _, _, err := s.Create(t.Context(), path, []byte(o), session.Parents()); err != nil {
					t.Fatal(err)
				}
			}
			var malformed int
			r := registry.New(s, "/r", registry.WithLayout(layout), registry.WithMalformedHandler(func(error) { malformed++ }))
			if list, err := r.Lookup(t.Context(), "ids"); err != nil || len(list) != 0 || malformed != len(objects) {
				t.Errorf("found %+v, %v; %d of %d were malformed", list, err, malformed, len(objects))
			}
			if names, err := r.Services(t.Context()); err != nil || len(names) != 0 {
				t.Errorf("services %q, %v", names, err)
			}
			if _, err := r.Register(t.Context(), registry.Instance{Service: "ids", Addr: "[2001:db8::2]:80"}); err != nil {
				t.Fatal(err)
			}
			if names, err := r.Services(t.Context()); err != nil || !slices.Equal(names, []string{"ids"}) {
				t.Errorf("services %q, %v", names, err)
			}
		})
	}
}

// A host in brackets does not get a second pair.
func TestBracketedAddresses(t *testing.T) {
	for layout, object := range map[registry.Layout]string{
		registry.Curator:   `{"name":"s","id":"member_0000000001","address":"[2001:db8::2]","port":80}`,
		registry.Spring:    `{"name":"s","id":"member_0000000001","address":"[2001:db8::2]","port":80}`,
		registry.Micro:     `{"name":"s","nodes":[{"id":"1","address":"[2001:db8::2]","port":80}]}`,
		registry.Kratos:    `{"name":"s","id":"1","endpoints":["grpc://[2001:db8::2]:80"]}`,
		registry.ServerSet: `{"serviceEndpoint":{"host":"[2001:db8::2]","port":80}}`,
	} {
		t.Run(layout.String(), func(t *testing.T) {
			s := zktest.Open(t).Session(t)
			if _, _, err := s.Create(t.Context(), "/r/s/member_0000000001", []byte(object), session.Parents()); err != nil {
				t.Fatal(err)
			}
			list, err := registry.New(s, "/r", registry.WithLayout(layout)).Lookup(t.Context(), "s")
			if err != nil || len(list) != 1 || list[0].Addr != "[2001:db8::2]:80" {
				t.Errorf("found %+v, %v", list, err)
			}
		})
	}
}

func TestNullInMetadata(t *testing.T) {
	s := zktest.Open(t).Session(t)
	object := `{"name":"s","id":"1","address":"h","port":80,"payload":{"metadata":{"a":null,"b":"x","c":1}}}`
	if _, _, err := s.Create(t.Context(), "/r/s/1", []byte(object), session.Parents()); err != nil {
		t.Fatal(err)
	}
	list, err := registry.New(s, "/r", registry.WithLayout(registry.Spring)).Lookup(t.Context(), "s")
	if err != nil || len(list) != 1 || len(list[0].Meta) != 2 || list[0].Meta["b"] != "x" || list[0].Meta["c"] != "1" {
		t.Errorf("found %+v, %v", list, err)
	}
}

// Finagle keeps weights beside the members of a server set.
func TestVectorsBesideMembers(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for name, data := range map[string]string{
		"member_0000000001": `{"serviceEndpoint":{"host":"h","port":80}}`, "vector_0000000002": `[{"select":"inetpath","weight":1}]`,
	} {
		if _, _, err := s.Create(t.Context(), "/r/s/"+name, []byte(data), session.Parents()); err != nil {
			t.Fatal(err)
		}
	}
	r := registry.New(s, "/r", registry.WithLayout(registry.ServerSet), registry.WithMalformedHandler(func(err error) { t.Error(err) }))
	if list, err := r.Lookup(t.Context(), "s"); err != nil || len(list) != 1 {
		t.Errorf("found %+v, %v", list, err)
	}
}

// The names of Spring's services may have slashes.
func TestSpringNamesWithSlashes(t *testing.T) {
	s := zktest.Open(t).Session(t)
	r := registry.New(s, "/r", registry.WithLayout(registry.Spring), registry.WithMalformedHandler(func(err error) { t.Error(err) }))
	names := []string{"a", "a/b/c", "a/b/d", "x/y"}
	for _, name := range names {
		if _, err := r.Register(t.Context(), registry.Instance{Service: name, ID: "1", Addr: "h:1"}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := r.Services(t.Context()); err != nil || !slices.Equal(got, names) {
		t.Errorf("services %q, %v", got, err)
	}
	for all, err := range r.WatchAll(t.Context()) {
		if len(all) != len(names) || err != nil {
			t.Errorf("all: %+v, %v", all, err)
		}
		for _, name := range names {
			if list := all[name]; len(list) != 1 || list[0].Service != name {
				t.Errorf("%s: %+v", name, list)
			}
		}
		break
	}
	v, err := r.Resolve(t.Context(), "a/b/c")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if in, err := v.Pick(registry.RoundRobin()); err != nil || in.Service != "a/b/c" {
		t.Errorf("picked %+v, %v", in, err)
	}
	if list, err := r.Lookup(t.Context(), "a"); err != nil || len(list) != 1 {
		t.Errorf("found %+v, %v", list, err)
	}
	for _, bad := range []string{"/a", "a/", "a//b", "a/../b"} {
		if _, err := r.Lookup(t.Context(), bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// After an outage that has ended all sessions, no resolver is ever without instances,
// however late the others register again. An instance that does not register again
// disappears.
func TestOutageDoesNotEmptyResolvers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		r := registry.New(s, "/r")
		late := srv.Session(t)
		register := func(s *session.Session, id string) *registry.Registration {
			t.Helper()
			g, err := registry.New(s, "/r").Register(t.Context(), registry.Instance{Service: "s", ID: id, Addr: id + ":1"})
			if err != nil {
				t.Fatal(err)
			}
			return g
		}
		register(late, "back")
		if _, _, err := late.Create(t.Context(), "/r/s/gone", []byte(`{"name":"s","id":"gone","address":"gone","port":1}`), session.Ephemeral()); err != nil {
			t.Fatal(err)
		}
		with, err := r.Resolve(t.Context(), "s")
		if err != nil {
			t.Fatal(err)
		}
		defer with.Close()
		without, err := registry.New(s, "/r", registry.WithOutageGrace(0)).Resolve(t.Context(), "s")
		if err != nil {
			t.Fatal(err)
		}
		defer without.Close()
		followed := make(chan string, 10)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			defer close(followed)
			for list, err := range r.Follow(ctx, "s") {
				if err == nil {
					followed <- ids(list)
				} else if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
		}()
		synctest.Wait()
		heal := srv.Partition(late.Status().ID)
		srv.Expire(late.Status().ID)
		srv.Expire(s.Status().ID)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if _, err := without.Pick(registry.RoundRobin()); err == nil {
			t.Error("without a grace there are instances during the outage")
		}
		if got := shown(with); got != "back gone" {
			t.Errorf("after a reconnect: %q", got)
		}
		heal()
		gone := register(s, "new")
		time.Sleep(s.Timeout() - 200*time.Millisecond)
		if got := shown(with); got != "back gone new" {
			t.Errorf("before the session timeout is over: %q", got)
		}
		changed := with.Changed()
		time.Sleep(time.Second)
		synctest.Wait()
		if got := shown(with); got != "back new" {
			t.Errorf("after the session timeout: %q", got)
		}
		select {
		case <-changed:
		default:
			t.Error("the channel of Changed is not closed")
		}
		if err := gone.Deregister(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(150 * time.Millisecond)
		synctest.Wait()
		if got := shown(with); strings.Contains(got, "new") {
			t.Errorf("removed while connected, and there is %q", got)
		}
		cancel()
		var yielded []string
		for list := range followed {
			yielded = append(yielded, list)
		}
		if want := []string{"back gone", "back gone new", "back new", "back"}; !slices.Equal(yielded, want) {
			t.Errorf("Follow has yielded %q, want %q", yielded, want)
		}
	})
}

// Changed reports nothing but changes.
func TestResolverChangedOnlyIfSomethingHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		r := registry.New(s, "/r")
		if _, err := r.Register(t.Context(), registry.Instance{Service: "s", ID: "1", Addr: "h:1"}); err != nil {
			t.Fatal(err)
		}
		v, err := r.Resolve(t.Context(), "s")
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		time.Sleep(time.Second)
		changed := v.Changed()
		other := srv.Session(t)
		if _, _, err := other.Create(t.Context(), "/r/s/other", []byte("x")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if _, err := other.Set(t.Context(), "/r/s/other", []byte("y"), session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		select {
		case <-changed:
			t.Error("Changed reported a node that is no instance")
		default:
		}
		if _, err := r.Register(t.Context(), registry.Instance{Service: "s", ID: "2", Addr: "h:2"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		select {
		case <-changed:
		default:
			t.Error("Changed did not report an instance")
		}
	})
}

func shown(v *registry.Resolver) string { return ids(v.Load()) }
