package membership_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/session"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const path = "/app/members"

var layouts = map[string]membership.Layout{
	"curator": membership.Curator, "party": membership.KazooParty, "shallow party": membership.KazooShallowParty,
}

func eachLayout(t *testing.T, test func(*testing.T, membership.Layout)) {
	for name, l := range layouts {
		t.Run(name, func(t *testing.T) { test(t, l) })
	}
}

func group(s *session.Session, opts ...membership.Option) *membership.Group {
	return membership.New(s, path, opts...)
}

func join(t testing.TB, g *membership.Group, id, data string) *membership.Membership {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Limit)
	defer cancel()
	m, err := g.Join(ctx, id, []byte(data))
	if err != nil {
		t.Error(err)
		panic(err) // also of goroutines, which must not call FailNow
	}
	return m
}

func update(t testing.TB, m *membership.Membership, data string) {
	t.Helper()
	if err := m.Update(t.Context(), []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func leave(t testing.TB, m *membership.Membership) {
	t.Helper()
	if err := m.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// again waits until m has joined again since token.
func again(t testing.TB, m *membership.Membership, token session.Zxid) {
	t.Helper()
	testkit.AwaitErr(t, m, func(err error) bool { return err == nil && m.Token() > token })
}

// summary is "id=data" of each member, and a blank between.
func summary(v membership.Snapshot) string {
	var s []string
	for _, m := range v.Members {
		s = append(s, m.ID+"="+string(m.Data))
	}
	return strings.Join(s, " ")
}

// members reads the group after a sync with the leader.
func members(t testing.TB, g *membership.Group, s *session.Session) membership.Snapshot {
	t.Helper()
	if err := s.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	v, err := g.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// watcher is a reader of Watch.
type watcher struct {
	testing.TB
	cancel context.CancelFunc
	views  chan membership.Snapshot
	end    chan error
}

func watch(t testing.TB, g *membership.Group) *watcher {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{t, cancel, make(chan membership.Snapshot), make(chan error, 1)}
	go func() {
		var err error
		var v membership.Snapshot
		for v, err = range g.Watch(ctx) {
			if err != nil {
				break
			}
			select {
			case w.views <- v:
			case <-ctx.Done():
			}
		}
		w.end <- err
	}()
	return w
}

// next is the next view.
func (w *watcher) next() membership.Snapshot {
	w.Helper()
	select {
	case v := <-w.views:
		return v
	case err := <-w.end:
		w.Fatalf("it has ended: %v", err)
	case <-time.After(testkit.Limit):
		w.Fatal("there is no next view")
	}
	panic("unreachable")
}

// until reads views up to one whose summary is as given.
func (w *watcher) until(want string) membership.Snapshot {
	w.Helper()
	var seen []string
	for {
		v := w.next()
		got := summary(v)
		if got == want {
			return v
		}
		if seen = append(seen, got); len(seen) > 1000 {
			w.Fatalf("waiting for %q: %q", want, slices.Compact(seen))
		}
	}
}

// stop ends the watcher, and returns its error.
func (w *watcher) stop() error {
	w.cancel()
	return <-w.end
}
