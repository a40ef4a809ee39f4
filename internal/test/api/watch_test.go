package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// printed yields the text of each value.
func printed[T any](values iter.Seq2[T, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for v, err := range values {
			if !yield(fmt.Sprintf("%+v", v), err) {
				return
			}
		}
	}
}

// When its context ends, every Watch yields the last value again, with an error that
// wraps the cause of the context.
func TestWatchEnds(t *testing.T) {
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	register := func(t *testing.T, s *session.Session) *registry.Registry {
		r := registry.New(s, "/r")
		_, err := r.Register(t.Context(), registry.Instance{Service: "web", ID: "1", Addr: "10.0.0.1:80"})
		must(t, err)
		return r
	}
	watches := map[string]func(t *testing.T, ctx context.Context, s *session.Session) iter.Seq2[string, error]{
		"config.Value": func(t *testing.T, ctx context.Context, s *session.Session) iter.Seq2[string, error] {
			testkit.Create(t, s, "/r", "value")
			v, err := config.Open(t.Context(), s, "/r", codec.Text())
			must(t, err)
			t.Cleanup(v.Close)
			return printed(v.Watch(ctx))
		},
		"config.Tree": func(t *testing.T, ctx context.Context, s *session.Session) iter.Seq2[string, error] {
			testkit.Create(t, s, "/r/a", "value", session.Parents())
			v, err := config.OpenTree(t.Context(), s, "/r", codec.Text())
			must(t, err)
			t.Cleanup(v.Close)
			return printed(v.Watch(ctx))
		},
		"naming.Directory": func(t *testing.T, ctx context.Context, s *session.Session) iter.Seq2[string, error] {
			d := naming.NewDirectory(s, "/r")
			must(t, d.Bind(t.Context(), "a", []byte("value")))
			return printed(d.Watch(ctx, ""))
		},
		"membership": func(t *testing.T, ctx context.Context, s *session.Session) iter.Seq2[string, error] {
			g := membership.New(s, "/r")
			_, err := g.Join(t.Context(), "a", nil)
			must(t, err)
			return printed(g.Watch(ctx))
		},
		"registry.Watch": func(t *testing.T, ctx context.Context, s *session.Session) iter.Seq2[string, error] {
			return printed(register(t, s).Watch(ctx, "web"))
		},
		"registry.WatchAll": func(t *testing.T, ctx context.Context, s *session.Session) iter.Seq2[string, error] {
			return printed(register(t, s).WatchAll(ctx))
		},
		"registry.Resolver": func(t *testing.T, ctx context.Context, s *session.Session) iter.Seq2[string, error] {
			res, err := register(t, s).Resolve(t.Context(), "web")
			must(t, err)
			t.Cleanup(res.Close)
			return printed(res.Watch(ctx))
		},
	}
	for name, watch := range watches {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := zktest.New(t).Session(t)
				enough := errors.New("enough")
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				var values []string
				var last error
				for v, err := range watch(t, ctx, s) {
					values, last = append(values, v), err
					cancel(enough)
				}
				if !errors.Is(last, enough) {
					t.Errorf("the last error is %v", last)
				}
				if len(values) != 2 || values[0] != values[1] {
					t.Errorf("the values are %q", values)
				}
			})
		})
	}
}
