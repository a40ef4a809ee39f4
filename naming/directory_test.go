package naming_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// bindOptions returns the options of an ephemeral or a permanent binding.
func bindOptions(ephemeral bool) []naming.BindOption {
	if ephemeral {
		return []naming.BindOption{naming.WithEphemeral()}
	}
	return nil
}

const root = "/app/names"

func mustBind(t testing.TB, d *naming.Directory, name, value string, opts ...naming.BindOption) {
	t.Helper()
	if err := d.Bind(t.Context(), name, []byte(value), opts...); err != nil {
		t.Fatal(err)
	}
}

func wantValue(t testing.TB, d *naming.Directory, name, want string) {
	t.Helper()
	got, err := d.Lookup(t.Context(), name)
	if err != nil || string(got) != want {
		t.Errorf("%s is bound to %q, %v, want %q", name, got, err, want)
	}
}

func wantNotBound(t testing.TB, d *naming.Directory, name string) {
	t.Helper()
	_, err := d.Lookup(t.Context(), name)
	testkit.WantError(t, err, naming.ErrNotBound)
}

func TestBind(t *testing.T) {
	for name, opts := range map[string][]naming.BindOption{"for good": nil, "ephemeral": {naming.WithEphemeral()}} {
		t.Run(name, func(t *testing.T) {
			target := zktest.Open(t)
			s, other := target.Session(t), target.Session(t)
			d, e := naming.NewDirectory(s, root), naming.NewDirectory(other, root)
			wantNotBound(t, d, "printers/floor2")
			mustBind(t, d, "printers/floor2", "10.0.0.7", opts...)
			if err := other.Sync(t.Context(), "/"); err != nil {
				t.Fatal(err)
			}
			wantValue(t, e, "printers/floor2", "10.0.0.7")
			wantNotBound(t, e, "printers")
			for _, dir := range []*naming.Directory{d, e} {
				testkit.WantError(t, dir.Bind(t.Context(), "printers/floor2", []byte("x"), opts...), naming.ErrBound)
				testkit.WantError(t, dir.Bind(t.Context(), "printers/floor2", []byte("x")), naming.ErrBound)
			}
			if err := d.Rebind(t.Context(), "printers/floor2", []byte("10.0.0.8"), opts...); err != nil {
				t.Fatal(err)
			}
			wantValue(t, d, "printers/floor2", "10.0.0.8")
			if err := d.Unbind(t.Context(), "printers/floor2"); err != nil {
				t.Fatal(err)
			}
			wantNotBound(t, d, "printers/floor2")
			testkit.WantError(t, d.Unbind(t.Context(), "printers/floor2"), naming.ErrNotBound)
			testkit.WantError(t, d.Unbind(t.Context(), "printers"), naming.ErrNotBound)
			if names, _, err := s.Children(t.Context(), root); err == nil && len(names) > 0 {
				t.Errorf("nodes are left: %q", names)
			}
			if err := d.Rebind(t.Context(), "new", []byte("1"), opts...); err != nil {
				t.Errorf("Rebind of a name that is not bound: %v", err)
			}
			wantValue(t, d, "new", "1")
		})
	}
}

// A name can be bound and lead to others at the same time.
func TestBindAboveOthers(t *testing.T) {
	s := zktest.Open(t).Session(t)
	d := naming.NewDirectory(s, root)
	mustBind(t, d, "a/b/c", "low")
	mustBind(t, d, "a", "high")
	wantValue(t, d, "a/b/c", "low")
	wantValue(t, d, "a", "high")
	if err := d.Unbind(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	wantNotBound(t, d, "a")
	wantValue(t, d, "a/b/c", "low")
	mustBind(t, d, "a", "again")
	if err := d.Unbind(t.Context(), "a/b/c"); err != nil {
		t.Fatal(err)
	}
	wantValue(t, d, "a", "again")
	if _, exists, err := s.Exists(t.Context(), root+"/a/b"); exists || err != nil {
		t.Errorf("a/b is left: %v", err)
	}
	mustBind(t, d, "e", "1", naming.WithEphemeral())
	if err := d.Bind(t.Context(), "e/f", []byte("x")); !errors.Is(err, session.ErrNoChildrenForEphemerals) {
		t.Errorf("Bind below an ephemeral name: %v", err)
	}
}

// A node that has names below it cannot become ephemeral. Rebind returns an error and
// does not try without limit.
func TestRebindAboveOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		d := naming.NewDirectory(srv.Session(t), root)
		mustBind(t, d, "a/b", "1")
		err := d.Rebind(testkit.Within(t, time.Minute), "a", []byte("2"), naming.WithEphemeral())
		if errors.Is(err, context.DeadlineExceeded) || err == nil {
			t.Errorf("Rebind: %v", err)
		}
		if n := len(srv.Requests()); n > 100 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestLinks(t *testing.T) {
	s := zktest.Open(t).Session(t)
	d := naming.NewDirectory(s, root)
	mustBind(t, d, "hosts/h1/addr", "10.0.0.1")
	link := func(name, to string) {
		t.Helper()
		if err := d.Link(t.Context(), name, to); err != nil {
			t.Fatal(err)
		}
	}
	link("db", "hosts/h1")
	link("primary", "db/addr")
	wantValue(t, d, "primary", "10.0.0.1")
	wantValue(t, d, "db/addr", "10.0.0.1")
	mustBind(t, d, "db/port", "5432")
	wantValue(t, d, "hosts/h1/port", "5432")
	testkit.WantError(t, d.Link(t.Context(), "db", "other"), naming.ErrBound)

	link("nowhere", "absent/name")
	wantNotBound(t, d, "nowhere")
	link("circle", "circle")
	link("a", "b")
	link("b", "a")
	for _, name := range []string{"circle", "a", "a/x"} {
		_, err := d.Lookup(t.Context(), name)
		testkit.WantError(t, err, naming.ErrLinks)
	}
	link("chain0", "db/addr")
	for i := range 7 {
		link(fmt.Sprintf("chain%d", i+1), fmt.Sprintf("chain%d", i))
	}
	wantValue(t, d, "chain6", "10.0.0.1") // eight links, db among them
	_, err := d.Lookup(t.Context(), "chain7")
	testkit.WantError(t, err, naming.ErrLinks)
	none := naming.NewDirectory(s, root, naming.WithMaxLinks(0))
	wantValue(t, none, "hosts/h1/addr", "10.0.0.1")
	_, err = none.Lookup(t.Context(), "db/addr")
	testkit.WantError(t, err, naming.ErrLinks)

	if err := d.Rebind(t.Context(), "primary", []byte("plain")); err != nil {
		t.Error(err)
	}
	wantValue(t, d, "primary", "plain")
	wantValue(t, d, "hosts/h1/addr", "10.0.0.1")
	if err := d.Unbind(t.Context(), "db"); err != nil {
		t.Error(err)
	}
	wantValue(t, d, "hosts/h1/addr", "10.0.0.1")
	wantNotBound(t, d, "db/addr")
}

func TestList(t *testing.T) {
	s := zktest.Open(t).Session(t)
	d := naming.NewDirectory(s, root)
	list := func(name string) (lines []string) {
		t.Helper()
		entries, err := d.List(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			lines = append(lines, fmt.Sprintf("%s %v %s%s %v", e.Name, e.Bound, e.Value, e.Link, e.Ephemeral))
		}
		return lines
	}
	if got := list(""); len(got) > 0 {
		t.Errorf("a directory that does not exist has %q", got)
	}
	mustBind(t, d, "x/deep/er", "1")
	mustBind(t, d, "x/b", "2")
	mustBind(t, d, "x/a", "3", naming.WithEphemeral())
	if err := d.Link(t.Context(), "x/l", "x/deep"); err != nil {
		t.Fatal(err)
	}
	want := []string{"a true 3 true", "b true 2 false", "deep false  false", "l true x/deep false"}
	if diff := cmp.Diff(want, list("x")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"er true 1 false"}, list("x/l")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"x false  false"}, list("")); diff != "" {
		t.Error(diff)
	}
}

func TestWatchNames(t *testing.T) {
	s := zktest.Open(t).Session(t)
	d := naming.NewDirectory(s, root)
	steps := []struct {
		do   func() error
		want string
	}{
		{func() error { return nil }, ""},
		{func() error { return d.Bind(t.Context(), "x/a", []byte("1")) }, "a=1"},
		{func() error { return d.Rebind(t.Context(), "x/a", []byte("2")) }, "a=2"},
		{func() error { return d.Bind(t.Context(), "x/b", []byte("3")) }, "a=2 b=3"},
		{func() error { return d.Unbind(t.Context(), "x/a") }, "b=3"},
	}
	i := 0
	for entries, err := range d.Watch(testkit.Within(t, time.Minute), "x") {
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Name+"="+string(e.Value))
		}
		if strings.Join(got, " ") != steps[i].want {
			continue // a state on the way
		}
		if i++; i == len(steps) {
			break
		}
		if err := steps[i].do(); err != nil {
			t.Fatal(err)
		}
	}
	if i < len(steps) {
		t.Errorf("Watch ended before %q", steps[i].want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range d.Watch(ctx, "x") {
		testkit.WantError(t, err, context.Canceled)
	}
}

func TestNamesAreChecked(t *testing.T) {
	s := zktest.Open(t).Session(t)
	d := naming.NewDirectory(s, root)
	for _, name := range []string{"", "/", "/a", "a/", "a//b", ".", "a/..", "a\x00b", "a/\xff"} {
		for what, err := range map[string]error{
			"Bind":   d.Bind(t.Context(), name, []byte("x")),
			"Rebind": d.Rebind(t.Context(), name, []byte("x")),
			"Unbind": d.Unbind(t.Context(), name),
			"Link":   d.Link(t.Context(), name, "x"),
			"LinkTo": d.Link(t.Context(), "x", name),
		} {
			if !errors.Is(err, session.ErrInvalid) {
				t.Errorf("%s of %q: %v", what, name, err)
			}
		}
		if _, err := d.Lookup(t.Context(), name); !errors.Is(err, session.ErrInvalid) {
			t.Errorf("Lookup of %q: %v", name, err)
		}
	}
	for _, value := range []string{"", "zkrecipes-link:x", strings.Repeat("x", 2<<20)} {
		if err := d.Bind(t.Context(), "a", []byte(value)); !errors.Is(err, session.ErrInvalid) {
			t.Errorf("Bind to %.20q: %v", value, err)
		}
	}
	_, err := naming.NewDirectory(s, "no slash").Lookup(t.Context(), "a")
	testkit.WantError(t, err, session.ErrInvalid)
	_, err = naming.NewDirectory(s, "no slash").List(t.Context(), "")
	testkit.WantError(t, err, session.ErrInvalid)
	var oe *session.OpError
	if err := d.Unbind(t.Context(), "not/bound"); !errors.As(err, &oe) || oe.Op != "unbind" || oe.Path != root+"/not/bound" {
		t.Errorf("error %v does not say what was wanted", err)
	}
}

// An ephemeral binding is created again after an expiry and deleted with its session.
func TestEphemeralBindingSurvivesExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		d, e := naming.NewDirectory(s, root), naming.NewDirectory(other, root)
		mustBind(t, d, "a/b", "1", naming.WithEphemeral())
		srv.Expire(s.Status().ID)
		time.Sleep(time.Minute)
		wantValue(t, e, "a/b", "1")
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantNotBound(t, e, "a/b")
	})
}

// Clients that bind and unbind names with common parents do not disturb each other.
func TestBindAndPrune(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		var all sync.WaitGroup
		for i := range 6 {
			d := naming.NewDirectory(srv.Session(t), root)
			all.Go(func() {
				for range 20 {
					name := fmt.Sprintf("x/y/n%d", i)
					if err := d.Bind(t.Context(), name, []byte("v"), bindOptions(i%2 == 0)...); err != nil {
						t.Error(err)
					}
					wantValue(t, d, name, "v")
					if err := d.Unbind(t.Context(), name); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
	})
}

// Of many who bind one name, one succeeds.
func TestOneBinds(t *testing.T) {
	for _, ephemeral := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t)
			var mu sync.Mutex
			won := 0
			var all sync.WaitGroup
			for range 5 {
				d := naming.NewDirectory(srv.Session(t), root)
				for range 2 {
					all.Go(func() {
						err := d.Bind(t.Context(), "a/b", []byte("v"), bindOptions(ephemeral)...)
						mu.Lock()
						defer mu.Unlock()
						if err == nil {
							won++
						} else {
							testkit.WantError(t, err, naming.ErrBound)
						}
					})
				}
			}
			all.Wait()
			if won != 1 {
				t.Errorf("ephemeral %v: %d have bound the name", ephemeral, won)
			}
		})
	}
}

// Whatever happens to any two requests, what the calls say is so.
func TestFaultsDirectory(t *testing.T) {
	for _, ephemeral := range []bool{false, true} {
		t.Run(fmt.Sprintf("ephemeral %v", ephemeral), func(t *testing.T) {
			faulttable.Sample(t, 17, func(s *faulttable.Run) {
				ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
				defer cancel()
				d, rival := naming.NewDirectory(s.Faulty, root), naming.NewDirectory(s.Healthy, root)
				opts := bindOptions(ephemeral)
				doubt := false
				check := func(what string, err error, want string) {
					if errors.Is(err, session.ErrUnknown) && errors.Is(err, session.ErrExpired) {
						doubt = true
						return
					}
					if doubt && errors.Is(err, naming.ErrNotBound) {
						return // so it was not committed
					}
					if err != nil {
						s.Errorf("%s: %v", what, err)
						return
					}
					if ephemeral {
						time.Sleep(20 * time.Second) // an expiry may be making itself felt only now
					}
					if got, err := rival.Lookup(ctx, "a/b"); string(got) != want || (err != nil) != (want == "") {
						s.Errorf("after %s: %q, %v", what, got, err)
					}
				}
				check("Bind", d.Bind(ctx, "a/b", []byte("1"), opts...), "1")
				check("Rebind", d.Rebind(ctx, "a/b", []byte("2"), opts...), "2")
				check("Unbind", d.Unbind(ctx, "a/b"), "")
			})
		})
	}
}

// Calls end with their context, whether there is a connection or not.
func TestDirectoryCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		d := naming.NewDirectory(s, root)
		mustBind(t, d, "a/b", "1")
		calls := map[string]func(context.Context) error{
			"Bind":      func(ctx context.Context) error { return d.Bind(ctx, "a/c", []byte("x")) },
			"Ephemeral": func(ctx context.Context) error { return d.Bind(ctx, "a/d", []byte("x"), naming.WithEphemeral()) },
			"Rebind":    func(ctx context.Context) error { return d.Rebind(ctx, "a/b", []byte("x")) },
			"Unbind":    func(ctx context.Context) error { return d.Unbind(ctx, "a/b") },
			"Lookup":    func(ctx context.Context) error { _, err := d.Lookup(ctx, "a/b"); return err },
			"List":      func(ctx context.Context) error { _, err := d.List(ctx, "a"); return err },
		}
		heal := srv.PartitionAll()
		for name, call := range calls {
			start := time.Now()
			err := call(testkit.Within(t, time.Second))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("%s with a context of one second took %v", name, took)
			}
		}
		heal()
		time.Sleep(time.Minute)
		if w := srv.Watches(); len(w) > 0 {
			t.Errorf("watches are left: %v", w)
		}
		if strings.Contains(srv.Tree(), "/a/d ") {
			t.Errorf("an ephemeral binding is left that was not made:\n%s", srv.Tree())
		}
	})
}
