//go:build interop

package barrier_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/internal/test/foreign"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
)

func TestCurator(t *testing.T) {
	program := foreign.Compile(t, "testdata/interop/Barriers.java")
	foreign.EachServer(t, func(t *testing.T, s *session.Session, connect string) {
		together(t, s, program.Start(t, connect), "true")
	})
}

func TestKazoo(t *testing.T) {
	foreign.EachServer(t, func(t *testing.T, s *session.Session, connect string) {
		together(t, s, foreign.Python(t, "testdata/interop/barriers.py", connect), "none")
	})
}

// together has another library's barriers and ours on the same nodes.
func together(t *testing.T, s *session.Session, theirs *foreign.Program, left string) {
	theirs.Wants("barrier /up", "ok")
	up := barrier.New(s, "/up")
	for range 2 {
		theirs.Wants("set", "ok")
		if is, err := up.Raised(t.Context()); err != nil || !is {
			t.Errorf("raised: %v (%v)", is, err)
		}
		waited := make(chan error, 1)
		go func() { waited <- up.Wait(t.Context()) }()
		theirs.Wants("wait", "ok")
		theirs.Wants("remove", "ok")
		theirs.Wants("result", "true")
		if err := <-waited; err != nil {
			t.Errorf("Wait: %v", err)
		}

		if err := up.Raise(t.Context()); err != nil {
			t.Fatal(err)
		}
		theirs.Wants("set", "ok") // it is set already, which is a success
		theirs.Wants("wait", "ok")
		theirs.Wants("pending", "true")
		if err := up.Lower(t.Context()); err != nil {
			t.Fatal(err)
		}
		theirs.Wants("result", "true")
		theirs.Wants("remove", "ok")
	}

	// Whichever member enters last, all are in one round, in several rounds, theirs
	// under the same name. A member that enters too late gets an error.
	theirs.Wants("double "+path+" 3", "ok")
	d := barrier.NewDouble(s, path, 3)
	var last session.Zxid
	for position := range 3 {
		var ours []<-chan entered
		for i := range 3 {
			if i == position {
				theirs.Wants("enter", "ok")
			} else {
				ours = append(ours, entering(t.Context(), d))
			}
			if i < 2 {
				testkit.AwaitChildren(t, s, path, i+1)
			}
		}
		theirs.Wants("result", "true")
		a, b := in(t, ours[0]), in(t, ours[1])
		if a.Round() != b.Round() || a.Round() <= last {
			t.Errorf("rounds %v and %v, after %v", a.Round(), b.Round(), last)
		}
		last = a.Round()
		if _, err := d.Enter(t.Context()); !errors.Is(err, barrier.ErrFull) {
			t.Errorf("a fourth of 3: %v", err)
		}
		// The one that is first in the order of names leaves last, so that Kazoo,
		// if it is another, waits for it.
		es := []*barrier.Entry{a, b}
		slices.SortFunc(es, func(a, b *barrier.Entry) int { return strings.Compare(b.Path(), a.Path()) })
		first := leaving(t.Context(), es[0])
		theirs.Wants("leave", "ok")
		second := leaving(t.Context(), es[1])
		theirs.Wants("result", left)
		for _, c := range []<-chan error{first, second} {
			if err := testkit.Receive(t, c); err != nil {
				t.Errorf("Leave: %v", err)
			}
		}
		testkit.AwaitChildren(t, s, path, 0)
	}

	// A member of ours that gives up does not count for one of theirs that comes
	// later.
	ctx, cancel := context.WithCancel(t.Context())
	gone := entering(ctx, d)
	testkit.AwaitChildren(t, s, path, 1)
	cancel()
	testkit.Receive(t, gone)
	theirs.Wants("enter", "ok")
	testkit.AwaitChildren(t, s, path, 1)
	theirs.Wants("pending", "true")
	a := entering(t.Context(), d)
	testkit.AwaitChildren(t, s, path, 2)
	theirs.Wants("pending", "true")
	b := in(t, entering(t.Context(), d))
	theirs.Wants("result", "true")
	theirs.Wants("leave", "ok")
	out(t, in(t, a), b)
	theirs.Wants("result", left)
	testkit.AwaitChildren(t, s, path, 0)
}
