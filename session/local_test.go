package session_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
)

// state is what the tests keep with session.Local.
type state struct {
	release func()
}

func newState(release func()) *state { return &state{release: release} }

// localState returns the state of key and fails the test if it is not as shared as wanted.
func localState[K comparable](t *testing.T, s *session.Session, key K, wantShared bool) *state {
	t.Helper()
	st, shared := session.Local(s, key, newState)
	if shared != wantShared {
		t.Errorf("shared is %v for %v", shared, key)
	}
	return st
}

func wantLocalStates(t *testing.T, s *session.Session, want int) {
	t.Helper()
	if n := session.LocalStates(s); n != want {
		t.Errorf("the session has %d local states, want %d", n, want)
	}
}

// All users of a key get the same state until the last has released it. Keys, types and
// sessions do not mix.
func TestLocal(t *testing.T) {
	srv := serve(t)
	s := open(t, srv)
	first := localState(t, s, "/a", false)
	if again := localState(t, s, "/a", true); again != first {
		t.Error("the second user got another state")
	}
	type path string
	others := []*state{
		localState(t, s, "/b", false),
		localState(t, s, path("/a"), false),
		localState(t, open(t, srv), "/a", false),
	}
	type otherState struct{ state }
	other, shared := session.Local(s, "/a", func(release func()) otherState { return otherState{state{release: release}} })
	if shared {
		t.Error("the state is shared with another type of state")
	}
	wantLocalStates(t, s, 4)
	for _, o := range others {
		if o == first {
			t.Error("another key has the same state")
		}
		o.release()
	}
	other.release()
	wantLocalStates(t, s, 1)

	first.release()
	if again := localState(t, s, "/a", true); again != first {
		t.Error("the state was removed while it had a user")
	}
	first.release()
	first.release()
	wantLocalStates(t, s, 0)
	if again := localState(t, s, "/a", false); again == first {
		t.Error("the state was kept after its last user")
	}
}

// A release too many is a bug of the recipe.
func TestLocalReleasedTwice(t *testing.T) {
	st := localState(t, open(t, serve(t)), "/a", false)
	st.release()
	defer func() {
		if recover() == nil {
			t.Error("the second release did not panic")
		}
	}()
	st.release()
}

// No two states of a key exist at the same time: the race detector would report the
// access to inUse under two mutexes.
func TestLocalConcurrently(t *testing.T) {
	s := open(t, serve(t))
	type locked struct {
		sync.Mutex
		release func()
	}
	inUse := 0
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 2000 {
				l, _ := session.Local(s, "/a", func(release func()) *locked { return &locked{release: release} })
				l.Lock()
				if inUse++; inUse != 1 {
					t.Error("two users hold the mutex")
				}
				inUse--
				l.release() // under the mutex, which is allowed
				l.Unlock()
			}
		})
	}
	all.Wait()
	wantLocalStates(t, s, 0)
}

// State outlasts an epoch, and Close as well, until its last user releases it. A closed
// session gives out new state too, so that callers find out by other means that it is
// closed.
func TestLocalAcrossEpochs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := serve(t)
		s := open(t, srv)
		st := localState(t, s, "/a", false)
		e := epoch(t, s)
		ofEpoch := localState(t, s, e, false)
		srv.Expire(e.ID())
		testkit.AwaitDone(t, e.Context())
		next := epoch(t, s)
		if again := localState(t, s, "/a", true); again != st {
			t.Error("the state changed with the epoch")
		}
		if other := localState(t, s, next, false); other == ofEpoch {
			t.Error("two epochs share state")
		} else {
			other.release()
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantLocalStates(t, s, 2)
		if again := localState(t, s, "/a", true); again != st {
			t.Error("the state changed with Close")
		}
		late := localState(t, s, "/late", false)
		for _, release := range []func(){ofEpoch.release, late.release, st.release, st.release, st.release} {
			release()
		}
		wantLocalStates(t, s, 0)
	})
}

// State that is never released is garbage together with its closed session: nothing else
// refers to it.
func TestLocalIsCollected(t *testing.T) {
	srv := serve(t)
	unreleased := func() weak.Pointer[state] {
		s, err := session.Connect(t.Context(), "zk1:2181", session.WithDialer(srv.DialContext))
		if err != nil {
			t.Fatal(err)
		}
		st := weak.Make(localState(t, s, "/a", false))
		if err := s.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		wantLocalStates(t, s, 1)
		return st
	}()
	for end := time.Now().Add(testkit.Limit); unreleased.Value() != nil; runtime.GC() {
		if time.Now().After(end) {
			t.Fatal("the state is still reachable")
		}
	}
}
