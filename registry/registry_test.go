package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on whatever ZKTEST selects.

func TestRegisterUpdateDeregister(t *testing.T) {
	target := zktest.Open(t)
	s, o := target.Session(t), target.Session(t)
	r, other := registry.New(s, root), registry.New(o, root)
	wants(t, o, other, "web")
	g := register(t, r, registry.Instance{ID: "a", Meta: map[string]string{"zone": "1"}})
	_, st, err := s.Get(t.Context(), g.Path())
	if err != nil || g.Path() != root+"/web/a" || g.Token() != st.Czxid {
		t.Errorf("%s has token %v, and the node %v (%v)", g.Path(), g.Token(), st.Czxid, err)
	}
	in := g.Instance()
	if in.Registered.IsZero() || time.Since(in.Registered).Abs() > time.Hour {
		t.Errorf("registered at %v", in.Registered)
	}
	if err := o.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	got := lookup(t, other, "web")
	in.Payload = got[0].Payload // which is made of the metadata
	if diff := cmp.Diff([]registry.Instance{in}, got); diff != "" {
		t.Error(diff)
	}

	if err := g.Update(t.Context(), registry.Instance{Addr: "10.0.0.2:81", Disabled: true}); err != nil {
		t.Fatal(err)
	}
	if err := o.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	want := registry.Instance{Service: "web", ID: "a", Addr: "10.0.0.2:81", Disabled: true, Registered: in.Registered}
	if diff := cmp.Diff([]registry.Instance{want}, lookup(t, other, "web")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, g.Instance()); diff != "" {
		t.Error(diff)
	}
	for _, in := range []registry.Instance{{Addr: "a:1", ID: "b"}, {Addr: "a:1", Service: "b"}, {}, {Addr: "a"}} {
		if err := g.Update(t.Context(), in); !errors.Is(err, session.ErrInvalid) {
			t.Errorf("update with %+v: %v", in, err)
		}
	}
	wants(t, o, other, "web", "a")
	if err := g.Err(); err != nil {
		t.Error(err)
	}

	// Curator's unregistering fails when it is repeated.
	deregister(t, g)
	deregister(t, g)
	wants(t, o, other, "web")
	if err := g.Update(t.Context(), want); !errors.Is(err, registry.ErrDeregistered) {
		t.Errorf("update of what is not registered: %v", err)
	}
	if err := g.Err(); !errors.Is(err, registry.ErrDeregistered) {
		t.Errorf("deregistered, and Err is %v", err)
	}
	deregister(t, register(t, r, registry.Instance{ID: "a"})) // it can be registered again
}

func TestServices(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	r := registry.New(s, root)
	services := func(want ...string) {
		t.Helper()
		got, err := r.Services(t.Context())
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("the services are %q (%v), not %q", got, err, want)
		}
	}
	services()
	g := register(t, r, registry.Instance{Service: "web"})
	register(t, r, registry.Instance{Service: "db"})
	register(t, r, registry.Instance{Service: "db"})
	services("db", "web")
	deregister(t, g)
	services("db") // the node of the service still exists
}

// An id is taken over from its owner, which then waits until it is free.
func TestTakeOver(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	first := register(t, registry.New(a, root), registry.Instance{ID: "i", Addr: "old:1"})
	r := registry.New(b, root)
	second := register(t, r, registry.Instance{ID: "i", Addr: "new:1"})
	for {
		changed := first.Changed()
		if errors.Is(first.Err(), registry.ErrTaken) {
			break
		}
		<-changed
	}
	wants(t, b, r, "web", "i")
	if got := lookup(t, r, "web")[0].Addr; got != "new:1" {
		t.Errorf("it is %s", got)
	}
	if _, err := r.Register(t.Context(), registry.Instance{Service: "web", ID: "i", Addr: "again:1"}); !errors.Is(err, registry.ErrRegistered) {
		t.Errorf("registered twice in a session: %v", err)
	}
	deregister(t, second)
	for {
		changed := first.Changed()
		if first.Err() == nil {
			break
		}
		<-changed
	}
	wants(t, b, r, "web", "i")
	if got := lookup(t, r, "web")[0].Addr; got != "old:1" {
		t.Errorf("it is %s", got)
	}
}

// What a process of Go Micro has left behind, which is not ephemeral, is replaced.
func TestStaleNode(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	r := registry.New(s, "", registry.WithLayout(registry.Micro))
	if _, _, err := s.Create(t.Context(), "/micro-registry/web/web-1", []byte("x"), session.Parents()); err != nil {
		t.Fatal(err)
	}
	g := register(t, r, registry.Instance{ID: "web-1"})
	wants(t, s, r, "web", "web-1")
	deregister(t, g)
	wants(t, s, r, "web")
}

func TestWatch(t *testing.T) {
	target := zktest.Open(t)
	s, o := target.Session(t), target.Session(t)
	r := registry.New(s, root)
	w := watch(t, registry.New(o, root), "web")
	w.until("") // the service does not exist, and is waited for
	a := register(t, r, registry.Instance{ID: "a"})
	w.until("a")
	b := register(t, r, registry.Instance{ID: "b"})
	w.until("a b")
	put(t, s, root+"/web/c", "not an instance")
	deregister(t, a)
	w.until("b")
	a = register(t, r, registry.Instance{ID: "a"})
	w.until("a b")
	deregister(t, b)
	w.until("a")
	deregister(t, a)
	w.until("")
	if err := w.close(); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	testkit.NoWatches(t, target, o)
}

// A loop leaves no watch when it is left and when its context ends.
func TestWatchLeavesNothing(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	r := registry.New(s, root)
	g := register(t, r, registry.Instance{})
	for i := range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%20)*time.Millisecond/10)
		for _, err := range r.Watch(ctx, "web") {
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			if i%2 == 0 {
				break
			}
		}
		cancel()
	}
	deregister(t, g)
	testkit.NoWatches(t, target, s)
}

func TestWatchAll(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	r := registry.New(s, root)
	register(t, r, registry.Instance{Service: "web", ID: "a"})
	var seen []string
	for all, err := range r.WatchAll(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		var parts []string
		for service, list := range all {
			parts = append(parts, service+": "+ids(list))
		}
		slices.Sort(parts)
		seen = append(seen, strings.Join(parts, ", "))
		switch seen[len(seen)-1] {
		case "web: a":
			register(t, r, registry.Instance{Service: "db", ID: "b"})
			register(t, r, registry.Instance{Service: "web", ID: "c"})
		case "db: b, web: a c":
			return
		}
	}
	t.Errorf("saw %q", seen)
}

// Bad input is refused with an error that says what is wrong, and nothing is sent.
func TestBadInput(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	good := registry.Instance{Service: "web", ID: "i", Addr: "h:1"}
	with := func(change func(*registry.Instance)) registry.Instance {
		in := good
		change(&in)
		return in
	}
	type in = registry.Instance
	for _, test := range []struct {
		layout registry.Layout
		in     registry.Instance
		says   string
	}{
		{registry.Curator, with(func(i *in) { i.Service = "" }), "the service is empty"},
		{registry.Curator, with(func(i *in) { i.Service = "a/b" }), `"a/b" has a slash`},
		{registry.Curator, with(func(i *in) { i.Service = ".." }), "cannot be the name of a node"},
		{registry.Micro, with(func(i *in) { i.Service = "" }), "the service is empty"},
		{registry.Curator, with(func(i *in) { i.ID = "a/b" }), "has a slash"},
		{registry.Curator, with(func(i *in) { i.ID = "a\x00" }), "cannot be the name of a node"},
		{registry.Curator, with(func(i *in) { i.Addr = "" }), "not host:port"},
		{registry.Curator, with(func(i *in) { i.Addr = "10.0.0.1" }), `"10.0.0.1": not host:port`},
		{registry.Curator, with(func(i *in) { i.Addr = "::1:80" }), "not host:port"},
		{registry.Curator, with(func(i *in) { i.Addr = ":80" }), "no host"},
		{registry.Curator, with(func(i *in) { i.Addr = "h:0" }), "not a port number"},
		{registry.Curator, with(func(i *in) { i.Addr = "h:http" }), "not a port number"},
		{registry.Curator, with(func(i *in) { i.Addr = "h:65536" }), "not a port number"},
		{registry.Curator, with(func(i *in) { i.TLSPort = 65536 }), "TLS port 65536"},
		{registry.Curator, with(func(i *in) { i.Weight = -1 }), "weight -1"},
		{registry.Curator, with(func(i *in) { i.Weight = 1 << 40 }), "weight 1099511627776"},
		{registry.Curator, with(func(i *in) { i.Version = "\xff" }), "not UTF-8"},
		{registry.Curator, with(func(i *in) { i.Meta = map[string]string{"a": "\xff"} }), "not UTF-8"},
		{registry.Curator, with(func(i *in) { i.Meta = map[string]string{"weight": "3"}; i.Weight = 4 }), "contradicts"},
		{registry.Curator, with(func(i *in) { i.Endpoints = []string{"http://h:1"} }), "cannot store Endpoints"},
		{registry.Curator, with(func(i *in) { i.Payload = []byte("{") }), "not JSON"},
		{registry.Curator, with(func(i *in) { i.Payload = []byte("1"); i.Weight = 2 }), "cannot be stored together"},
		{registry.Curator, with(func(i *in) { i.URISpec = "{a" }), "unbalanced"},
		{registry.Curator, with(func(i *in) { i.URISpec = "{{a}}" }), "unbalanced"},
		{registry.Curator, with(func(i *in) { i.Extra = extra("x", "{") }), "not JSON"},
		{registry.Curator, with(func(i *in) { i.Extra = extra("port", "1") }), "has a meaning"},
		{registry.Spring, with(func(i *in) { i.Payload = []byte("1") }), "cannot store Payload"},
		{registry.Spring, with(func(i *in) { i.Meta = map[string]string{"instance_status": "UP"}; i.Disabled = true }), "contradicts"},
		{registry.Micro, with(func(i *in) { i.TLSPort = 1 }), "cannot store TLSPort"},
		{registry.Micro, with(func(i *in) { i.Extra = extra("nodes", "[]") }), "has a meaning"},
		{registry.Kratos, with(func(i *in) { i.URISpec = "x" }), "cannot store URISpec"},
		{registry.Kratos, with(func(i *in) { i.Endpoints = []string{"h:2"} }), "not a URL"},
		{registry.Kratos, with(func(i *in) { i.Endpoints = []string{"http://h"} }), "not host:port"},
		{registry.Kratos, with(func(i *in) { i.Endpoints = []string{"http://h:2"} }), "the first endpoint has"},
		{registry.Kratos, with(func(i *in) { i.Addr = "" }), "not host:port"},
		{registry.Kratos, with(func(i *in) { i.Endpoints = []string{"http://h:1"}; i.TLSPort = 9 }), "TLS port 9"},
		{registry.ServerSet, good, "is not member_ and ten digits"},
		{registry.ServerSet, with(func(i *in) { i.ID = ""; i.Meta = map[string]string{"shard": "x"} }), "shard"},
		{registry.ServerSet, with(func(i *in) { i.ID = ""; i.Endpoints = []string{"x"} }), "not of the form"},
		{registry.ServerSet, with(func(i *in) { i.ID = ""; i.Endpoints = []string{"x://a:1", "x://a:2"} }), "used twice"},
		{registry.ServerSet, with(func(i *in) { i.ID = ""; i.Endpoints = []string{"x://a"} }), "not host:port"},
		{registry.ServerSet, with(func(i *in) { i.ID = ""; i.Endpoints = []string{"https://h:3"}; i.TLSPort = 2 }), "TLSPort is the endpoint"},
		{registry.Curator, with(func(i *in) { i.Meta = map[string]string{"a": strings.Repeat("x", 1<<20)} }), "invalid argument"},
	} {
		_, err := registry.New(s, root, registry.WithLayout(test.layout)).Register(t.Context(), test.in)
		var oe *session.OpError
		if cerr := registry.New(nil, root, registry.WithLayout(test.layout)).Check(test.in); len(test.in.Meta["a"]) < 1<<20 &&
			(!errors.Is(cerr, session.ErrInvalid) || !strings.Contains(cerr.Error(), test.says)) {
			t.Errorf("%v of %.200v: Check says %.300v, and not %q", test.layout, test.in, cerr, test.says)
		}
		if !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) || oe.Op == "" || oe.Path == "" || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v of %.200v: %.300v, which does not say %q", test.layout, test.in, err, test.says)
		}
	}
	if err := registry.New(nil, "").Check(registry.Instance{Service: "web", Addr: "h:1"}); err != nil {
		t.Errorf("Check refuses a good instance: %v", err)
	}
	for _, bad := range []string{"relative", "/a//b", "/a/"} {
		r := registry.New(s, bad)
		_, lerr := r.Lookup(t.Context(), "web")
		_, serr := r.Services(t.Context())
		_, gerr := r.Register(t.Context(), good)
		_, rerr := r.Resolve(t.Context(), "web")
		cerr := r.Check(good)
		var werr, aerr error
		for _, err := range r.Watch(t.Context(), "web") {
			werr = err
		}
		for _, err := range r.WatchAll(t.Context()) {
			aerr = err
		}
		for _, err := range []error{lerr, serr, gerr, rerr, cerr, werr, aerr} {
			if !errors.Is(err, session.ErrInvalid) {
				t.Errorf("with root %q: %v", bad, err)
			}
		}
	}
	if _, exists, err := s.Exists(t.Context(), root); exists || err != nil {
		t.Errorf("something was sent (%v)", err)
	}
}

// The ids that Register chooses for server sets have the form of sequential names that a
// server gives, but a server never gives the same.
func TestServerSetIDs(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	r := registry.New(s, root, registry.WithLayout(registry.ServerSet))
	seen := make(map[string]bool)
	for range 20 {
		id := register(t, r, registry.Instance{}).Instance().ID
		if len(id) != len("member_0123456789") || !strings.HasPrefix(id, "member_") || id < "member_1000000000" || id > "member_2147483647" || seen[id] {
			t.Errorf("the id is %s", id)
		}
		seen[id] = true
	}
	name, _, err := s.Create(t.Context(), root+"/web/member_", []byte(`{"serviceEndpoint":{"host":"h","port":1}}`), session.Ephemeral(), session.Sequential())
	if err != nil || len(lookup(t, r, "web")) != 21 {
		t.Errorf("beside %s (%v) there are %q", name, err, ids(lookup(t, r, "web")))
	}
}

func TestNotAuthorized(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	if _, _, err := s.Create(t.Context(), root, nil, session.ACLs(session.ACL{Perms: session.PermRead, Scheme: "world", ID: "anyone"})); err != nil {
		t.Fatal(err)
	}
	r := registry.New(s, root)
	if _, err := r.Register(t.Context(), registry.Instance{Service: "web", Addr: "a:1"}); !errors.Is(err, session.ErrNoAuth) {
		t.Errorf("Register: %v", err)
	}
	if _, err := r.Lookup(t.Context(), "web"); err != nil {
		t.Errorf("Lookup: %v", err)
	}

	// One node that may not be read hides nothing.
	var reported error
	r = registry.New(s, "/other", registry.WithMalformedHandler(func(err error) { reported = err }))
	g := register(t, r, registry.Instance{})
	if _, _, err := s.Create(t.Context(), "/other/web/secret", nil, session.Ephemeral(), session.ACLs(session.ACL{Perms: session.PermDelete, Scheme: "world", ID: "anyone"})); err != nil {
		t.Fatal(err)
	}
	wants(t, s, r, "web", g.Instance().ID)
	if !errors.Is(reported, session.ErrNoAuth) || errors.Is(reported, registry.ErrMalformed) {
		t.Errorf("reported: %v", reported)
	}
	if got, err := r.Services(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("the services are %q (%v)", got, err)
	}
}

func extra(key, value string) map[string]json.RawMessage {
	return map[string]json.RawMessage{key: json.RawMessage(value)}
}

// A layout that does not exist is refused by every call, and nothing is sent.
func TestUnknownLayout(t *testing.T) {
	srv := zktest.New(t)
	s := srv.Session(t)
	ctx := t.Context()
	srv.ResetRequests()
	for _, root := range []string{"", "/services"} {
		r := registry.New(s, root, registry.WithLayout(9))
		in := registry.Instance{Service: "web", ID: "i", Addr: "h:1"}
		for name, call := range map[string]func() error{
			"Register": func() error { _, err := r.Register(ctx, in); return err },
			"Check":    func() error { return r.Check(in) },
			"Lookup":   func() error { _, err := r.Lookup(ctx, "web"); return err },
			"Services": func() error { _, err := r.Services(ctx); return err },
			"Resolve":  func() error { _, err := r.Resolve(ctx, "web"); return err },
			"Watch": func() (err error) {
				for _, err = range r.Watch(ctx, "web") {
					break
				}
				return err
			},
			"WatchAll": func() (err error) {
				for _, err = range r.WatchAll(ctx) {
					break
				}
				return err
			},
		} {
			var oe *session.OpError
			if err := call(); !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) {
				t.Errorf("%s at %q: %v", name, root, err)
			}
		}
	}
	if rs := srv.Requests(); len(rs) != 0 {
		t.Errorf("sent: %v", rs)
	}
}

// After Close, a resolver has the error that its package documents.
func TestErrOfClosedResolver(t *testing.T) {
	s := zktest.Open(t).Session(t)
	r, err := registry.New(s, "/r").Resolve(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	var oe *session.OpError
	if err := r.Err(); !errors.Is(err, registry.ErrClosed) || !errors.As(err, &oe) {
		t.Errorf("Err after Close: %v", err)
	}
}
