package barrier_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on whatever ZKTEST selects, but for those in bubbles.

func TestRaiseAndLower(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	ours, theirs := barrier.New(a, path, barrier.WithID("me")), barrier.New(b, path)
	wants := func(up bool) {
		t.Helper()
		if got, err := theirs.Raised(t.Context()); err != nil || got != up {
			t.Errorf("raised: %v (%v)", got, err)
		}
	}
	wants(false)
	for range 2 { // from end to end, also once there are parents
		for _, raise := range []*barrier.Barrier{ours, ours, theirs} {
			if err := raise.Raise(t.Context()); err != nil {
				t.Fatal(err)
			}
			wants(true)
		}
		if data, _, err := a.Get(t.Context(), path); err != nil || string(data) != "me" {
			t.Errorf("the node holds %q (%v)", data, err)
		}
		for _, lower := range []*barrier.Barrier{theirs, ours, ours} {
			if err := lower.Lower(t.Context()); err != nil {
				t.Fatal(err)
			}
			wants(false)
		}
	}
	nothingLeft(t, target, a, b)
}

func TestWait(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	up := barrier.New(a, path)
	if err := up.Wait(t.Context()); err != nil {
		t.Errorf("Wait where there is no barrier: %v", err)
	}
	for range 3 {
		if err := up.Raise(t.Context()); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		released := make(chan error, 20)
		for i := range cap(released) {
			all.Go(func() { released <- barrier.New([]*session.Session{a, b}[i%2], path).Wait(t.Context()) })
		}
		for target.Watches(t) < 2 {
		}
		if _, err := a.Set(t.Context(), path, []byte("written to"), session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		if err := b.Sync(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-released:
			t.Errorf("Wait while the barrier is up: %v", err)
		default:
		}
		for target.Watches(t) < 2 {
		}
		if err := up.Lower(t.Context()); err != nil {
			t.Fatal(err)
		}
		all.Wait()
		for range cap(released) {
			if err := testkit.Receive(t, released); err != nil {
				t.Errorf("Wait: %v", err)
			}
		}
	}
	nothingLeft(t, target, a, b)
}

// Lower releases all waiters, also if the barrier is raised again immediately.
func TestLowerReleasesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		if err := barrier.New(a, path).Raise(t.Context()); err != nil {
			t.Fatal(err)
		}
		released := make(chan error)
		for i := range 20 {
			go func() { released <- barrier.New([]*session.Session{a, b}[i%2], path).Wait(t.Context()) }()
		}
		synctest.Wait()
		if _, err := b.Txn(t.Context(), session.OpDelete(path, 0), session.OpCreate(path, nil)); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if err := testkit.Receive(t, released); err != nil {
				t.Errorf("Wait: %v", err)
			}
		}
		empty(t, srv)
	})
}

func TestWaitEnds(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	up := barrier.New(s, path)
	if err := up.Raise(t.Context()); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	waited := make(chan error)
	go func() { waited <- up.Wait(ctx) }()
	for target.Watches(t) == 0 {
	}
	cancel(enough)
	var oe *session.OpError
	if err := testkit.Receive(t, waited); !errors.Is(err, enough) || !errors.As(err, &oe) || oe.Path != path {
		t.Errorf("Wait: %v", err)
	}
	if err := up.Lower(t.Context()); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, target, s)
}

// A node with children is no barrier of ours to take away.
func TestLowerNotEmpty(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	if _, _, err := s.Create(t.Context(), path+"/child", nil, session.Parents()); err != nil {
		t.Fatal(err)
	}
	if err := barrier.New(s, path).Lower(t.Context()); !errors.Is(err, session.ErrNotEmpty) {
		t.Errorf("Lower: %v", err)
	}
}

// A wait continues across the ends of sessions, and returns if it missed that the
// barrier was down for a moment.
func TestWaitAcrossEpochs(t *testing.T) {
	for _, missed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t, zktest.WithTick(tick))
			g := &gate{srv: srv}
			a, b := srv.Session(t, session.WithDialer(g.dial)), srv.Session(t)
			up := barrier.New(b, path)
			if err := up.Raise(t.Context()); err != nil {
				t.Fatal(err)
			}
			waited := make(chan error, 1)
			go func() { waited <- barrier.New(a, path).Wait(t.Context()) }()
			for _, away := range []time.Duration{time.Second, time.Hour} {
				synctest.Wait()
				g.close()
				time.Sleep(away)
				g.open()
				time.Sleep(time.Minute)
			}
			select {
			case err := <-waited:
				t.Fatalf("Wait: %v", err)
			default:
			}
			if missed {
				g.close()
				defer g.open()
			}
			if err := up.Lower(t.Context()); err != nil {
				t.Fatal(err)
			}
			if missed {
				if err := up.Raise(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				g.open()
			}
			if err := testkit.Receive(t, waited); err != nil {
				t.Errorf("Wait: %v", err)
			}
			empty(t, srv)
		})
	}
}

// After Raise has returned, every later Wait on any server sees the barrier: the wait
// begins with a sync.
func TestWaitSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		s := srv.Session(t)
		if err := barrier.New(s, path).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		var ops []string
		for _, r := range srv.Requests() {
			if strings.HasPrefix(r.Path, path) {
				ops = append(ops, r.Op)
			}
		}
		if len(ops) == 0 || ops[0] != "sync" {
			t.Errorf("it sent %v", ops)
		}
	})
}

// The reply to Raise is lost, and another client lowers the barrier before the session
// is connected again: it is not raised again. The same applies to Lower.
func TestLostReplyIsNotRepeated(t *testing.T) {
	for _, raise := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t, zktest.WithTick(tick))
			a, b := srv.Session(t), srv.Session(t)
			ours, theirs := barrier.New(a, path), barrier.New(b, path)
			if err := errors.Join(ours.Raise(t.Context()), ours.Lower(t.Context())); err != nil {
				t.Fatal(err)
			}
			first, second := ours.Raise, theirs.Lower
			if !raise {
				first, second = ours.Lower, theirs.Raise
				if err := ours.Raise(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			srv.Inject(zktest.Rule{Op: "multi", Path: path, Session: a.Status().ID, Nth: 1, Fault: zktest.DropReply})
			hold := srv.Inject(zktest.Rule{Op: "connect", Fault: zktest.Refuse})
			done := make(chan error)
			go func() { done <- first(t.Context()) }()
			synctest.Wait()
			if err := second(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			hold()
			if err := testkit.Receive(t, done); err != nil {
				t.Errorf("the call whose reply was lost: %v", err)
			}
			if up, err := theirs.Raised(t.Context()); err != nil || up == raise {
				t.Errorf("raise %v: it was done again: %v (%v)", raise, up, err)
			}
		})
	}
}
