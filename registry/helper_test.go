package registry_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// root is where the tests have their services.
const root = "/services"

func register(t testing.TB, r *registry.Registry, in registry.Instance) *registry.Registration {
	t.Helper()
	if in.Service == "" {
		in.Service = "web"
	}
	if in.Addr == "" && in.Endpoints == nil {
		in.Addr = "10.0.0.1:80"
	}
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Limit)
	defer cancel()
	g, err := r.Register(ctx, in)
	if err != nil {
		t.Error(err)
		panic(err) // also of goroutines, which must not call FailNow
	}
	return g
}

func deregister(t testing.TB, g *registry.Registration) {
	t.Helper()
	if err := g.Deregister(t.Context()); err != nil {
		t.Error(err)
	}
}

func lookup(t testing.TB, r *registry.Registry, service string) []registry.Instance {
	t.Helper()
	list, err := r.Lookup(t.Context(), service)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// ids returns the ids of instances, separated by blanks.
func ids(list []registry.Instance) string {
	var s []string
	for _, in := range list {
		s = append(s, in.ID)
	}
	return strings.Join(s, " ")
}

// wants checks which instances a service has after all completed changes.
func wants(t testing.TB, s *session.Session, r *registry.Registry, service string, want ...string) {
	t.Helper()
	if err := s.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	if got := ids(lookup(t, r, service)); got != strings.Join(want, " ") {
		t.Errorf("the instances of %s are %q, not %q", service, got, want)
	}
}

// put writes a node as another program would.
func put(t testing.TB, s *session.Session, path, data string) {
	t.Helper()
	if _, _, err := s.Create(t.Context(), path, []byte(data), session.Ephemeral(), session.Parents()); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, s *session.Session, path string) string {
	t.Helper()
	if err := s.Sync(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	data, _, err := s.Get(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// watching runs a Watch and collects what it yields.
type watching struct {
	testing.TB
	views chan string
	end   chan error
	stop  context.CancelFunc
}

func watch(t testing.TB, r *registry.Registry, service string) *watching {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{t, make(chan string, 1000), make(chan error, 1), cancel}
	go func() {
		var list []registry.Instance
		var err error
		for list, err = range r.Watch(ctx, service) {
			if err != nil {
				break
			}
			w.views <- ids(list)
		}
		w.end <- err // once the loop has given up its watches
	}()
	return w
}

// until waits for a view.
func (w *watching) until(want string) {
	w.Helper()
	var seen []string
	for !slices.Contains(seen, want) {
		select {
		case v := <-w.views:
			seen = append(seen, v)
		case err := <-w.end:
			w.Fatalf("yielded %q, want %q, and ended with %v", seen, want, err)
		case <-time.After(testkit.Limit):
			w.Fatalf("yielded %q, want %q", seen, want)
		}
	}
}

func (w *watching) close() error {
	w.stop()
	return <-w.end
}
