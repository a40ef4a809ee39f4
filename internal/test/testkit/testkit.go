// Package testkit holds the helpers that the tests of several packages need.
package testkit

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Limit bounds a wait for something that must happen. It is long, because a real
// ensemble on a busy machine can be slow.
const Limit = 5 * time.Minute

// Main runs the tests of a package and fails if they leave goroutines behind. Call it
// from TestMain. A synctest bubble checks for goroutines of its tests itself.
func Main(m *testing.M) {
	code := m.Run()
	err := zktest.CloseShared()
	if err == nil && code == 0 {
		err = goleak.Find()
	}
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}

// Within returns a context that ends after d, and with the test at the latest.
func Within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// Soon returns a context that ends after Limit, for a call that must return.
func Soon(t testing.TB) context.Context { return Within(t, Limit) }

// WantError checks that err wraps target.
func WantError(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v, want %v", err, target)
	}
}

// WantOpError checks that err wraps target and is a session.OpError with path.
func WantOpError(t testing.TB, err, target error, path string) {
	t.Helper()
	var oe *session.OpError
	if !errors.Is(err, target) || !errors.As(err, &oe) || oe.Path != path {
		t.Errorf("error is %v, want %v at %s", err, target, path)
	}
}

// Receive receives from c, within Limit.
func Receive[T any](t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(Limit):
		t.Fatalf("nothing was received within %v", Limit)
	}
	return v
}

// AwaitDone waits until ctx is done, for two minutes at most. In a synctest bubble a
// session sends proofs for any length of time, so a test that waits for a loss which
// never comes would only end when the test binary times out.
func AwaitDone(t testing.TB, ctx context.Context) {
	t.Helper()
	awaitDone(t, ctx, 2*time.Minute)
}

// AwaitDoneSoon is AwaitDone with a limit of 20 s, for tests in real time in which an
// event of the server ends ctx.
func AwaitDoneSoon(t testing.TB, ctx context.Context) {
	t.Helper()
	awaitDone(t, ctx, 20*time.Second)
}

func awaitDone(t testing.TB, ctx context.Context, limit time.Duration) {
	t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
		t.Fatalf("the context did not end within %v", limit)
	}
}

// A View is something whose state changes: a config.Value, a membership, an
// announcement.
type View interface {
	Changed() <-chan struct{}
	Err() error
}

// Await waits until ok returns true. It calls ok at once and after each change of v.
// What describes the awaited state.
func Await(t testing.TB, v View, what string, ok func() bool) {
	t.Helper()
	timer := time.NewTimer(Limit)
	defer timer.Stop()
	for {
		changed := v.Changed()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			t.Fatalf("not within %v: %s; Err is %v", Limit, what, v.Err())
		}
	}
}

// AwaitErr waits until Err of v is as ok wants it.
func AwaitErr(t testing.TB, v View, ok func(error) bool) {
	t.Helper()
	Await(t, v, "the awaited Err", func() bool { return ok(v.Err()) })
}

// IsNil returns true if err is nil, for AwaitErr.
func IsNil(err error) bool { return err == nil }

// Sync makes the server of each session catch up with all writes that were committed
// before the call.
func Sync(t testing.TB, sessions ...*session.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
	defer cancel()
	for _, s := range sessions {
		if err := s.Sync(ctx, "/"); err != nil {
			t.Fatal(err)
		}
	}
}

// Children returns the sorted names of a node's children after a sync. If there is no
// node it returns none.
func Children(t testing.TB, s *session.Session, path string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
	defer cancel()
	if err := s.Sync(ctx, "/"); err != nil {
		t.Fatal(err)
	}
	names, _, err := s.Children(ctx, path)
	if err != nil && !errors.Is(err, session.ErrNoNode) {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// AwaitChildren waits until a node has n children. It leaves no watch behind.
func AwaitChildren(t testing.TB, s *session.Session, path string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
	defer cancel()
	if err := s.Sync(ctx, "/"); err != nil {
		t.Fatal(err)
	}
	for {
		ep, err := s.Epoch(ctx)
		if err != nil {
			t.Fatal(err)
		}
		names, _, w, err := ep.WatchChildren(ctx, path)
		switch {
		case errors.Is(err, session.ErrNoNode) && n == 0:
			return
		case errors.Is(err, session.ErrNoNode):
			continue
		case err != nil:
			t.Fatal(err)
		case len(names) == n:
			w.Close()
			if err := s.Sync(ctx, "/"); err != nil { // after the removal of the watch
				t.Fatal(err)
			}
			return
		}
		select {
		case <-w.Fired():
		case <-ep.Context().Done():
		case <-ctx.Done():
			t.Fatalf("%s has the children %q, want %d", path, names, n)
		}
	}
}

// Create creates a node, by default a persistent one.
func Create(t testing.TB, s *session.Session, path, data string, opts ...session.CreateOption) {
	t.Helper()
	if _, _, err := s.Create(t.Context(), path, []byte(data), opts...); err != nil {
		t.Fatal(err)
	}
}

// Set writes the data of a node, whatever its version is.
func Set(t testing.TB, s *session.Session, path, data string) {
	t.Helper()
	if _, err := s.Set(t.Context(), path, []byte(data), session.AnyVersion); err != nil {
		t.Fatal(err)
	}
}

// Delete deletes a node, whatever its version is.
func Delete(t testing.TB, s *session.Session, path string) {
	t.Helper()
	if err := s.Delete(t.Context(), path, session.AnyVersion); err != nil {
		t.Fatal(err)
	}
}

// NoWatches checks that the sessions have left no watch on the servers.
func NoWatches(t testing.TB, target *zktest.Target, sessions ...*session.Session) {
	t.Helper()
	// The server removes the last watch before it answers the second sync: a read that
	// was canceled has its watch removed before the first sync is answered.
	Sync(t, sessions...)
	Sync(t, sessions...)
	if n := target.WatchesLeft(t); n != 0 {
		t.Errorf("%d watches are left", n)
	}
}

// NothingLeft checks that the sessions have left no watch and no ephemeral node but
// their receipts.
func NothingLeft(t testing.TB, target *zktest.Target, sessions ...*session.Session) {
	t.Helper()
	NoWatches(t, target, sessions...)
	n := target.Ephemerals(t)
	if len(sessions) > 0 {
		n -= len(Children(t, sessions[0], session.DefaultReceipts))
	}
	if n != 0 {
		t.Errorf("%d ephemeral nodes are left", n)
	}
}
