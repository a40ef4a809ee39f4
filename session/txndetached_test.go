package session_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// latecomer records the calls of late.
type latecomer struct {
	mu   sync.Mutex
	last notification
}

type notification struct {
	calls   int
	results []session.Result
	err     error
}

func (l *latecomer) late(r []session.Result, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = notification{l.last.calls + 1, r, err}
}

func (l *latecomer) notified() notification {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// If the transaction was not sent, the error shows that it was not committed.
func TestTxnDetachedNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		s.Stop()
		time.Sleep(time.Millisecond)
		var l latecomer
		_, err := e.TxnDetached(testkit.Within(t, time.Second), l.late, session.OpCreate("/a", nil))
		testkit.WantError(t, err, context.DeadlineExceeded)
		if errors.Is(err, session.ErrUnknown) {
			t.Errorf("error is %v", err)
		}
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if h := l.notified(); h.calls > 0 || below(s, "/a") > 0 {
			t.Errorf("late was called %d times, and there are %d nodes", h.calls, below(s, "/a"))
		}
	})
}

// If ctx is done while the outcome is not known, the error is ErrUnknown, and late gets the
// outcome.
func TestTxnDetachedLeft(t *testing.T) {
	tests := []struct {
		name  string
		fault zktest.Fault
		done  bool
	}{
		{"request lost", zktest.Refuse, false},
		{"reply lost", zktest.DropReply, true},
		{"expired", zktest.ExpireAfter, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				z := open(t, s)
				e := epoch(t, z)
				if _, err := e.TxnDetached(t.Context(), nil, session.OpCheck("/", session.AnyVersion)); err != nil {
					t.Fatal(err) // makes the receipt
				}
				s.Inject(zktest.Rule{Op: "multi", Nth: 1, Fault: tt.fault})
				s.Inject(zktest.Rule{Op: "connect", Nth: 1, Delay: 100 * time.Millisecond})
				var l latecomer
				_, err := e.TxnDetached(testkit.Within(t, 50*time.Millisecond), l.late, session.OpCreate("/a", nil))
				testkit.WantError(t, err, session.ErrUnknown)
				testkit.WantError(t, err, context.DeadlineExceeded)
				if l.notified().calls > 0 {
					t.Error("late was called too early")
				}
				time.Sleep(20 * time.Second)
				h := l.notified()
				if there := below(s, "/a") > 0; there != tt.done || h.calls != 1 {
					t.Fatalf("the node is there: %v; late was called %d times", there, h.calls)
				}
				switch {
				case tt.fault == zktest.ExpireAfter:
					testkit.WantError(t, h.err, session.ErrUnknown)
				case tt.done && (h.err != nil || len(h.results) != 1 || h.results[0].Path != "/a"):
					t.Errorf("late got %v, %v", h.results, h.err)
				case !tt.done:
					if testkit.WantError(t, h.err, context.DeadlineExceeded); errors.Is(h.err, session.ErrUnknown) {
						t.Errorf("late got %v", h.err)
					}
				}
			})
		})
	}
}

// The same if ctx is done while the reply is in flight.
func TestTxnDetachedSlowAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		e := epoch(t, open(t, s))
		if _, err := e.TxnDetached(t.Context(), nil, session.OpCheck("/", session.AnyVersion)); err != nil {
			t.Fatal(err) // makes the receipt
		}
		s.Inject(zktest.Rule{Op: "multi", Delay: time.Second})
		var l latecomer
		start := time.Now()
		_, err := e.TxnDetached(testkit.Within(t, 100*time.Millisecond), l.late, session.OpCreate("/a", nil), session.OpCreate("/b", nil))
		testkit.WantError(t, err, session.ErrUnknown)
		if d := time.Since(start); d != 100*time.Millisecond {
			t.Errorf("it took %v", d)
		}
		time.Sleep(10 * time.Second)
		if h := l.notified(); h.calls != 1 || h.err != nil || len(h.results) != 2 {
			t.Errorf("late was called %d times, with %v, %v", h.calls, h.results, h.err)
		}
	})
}

// Without a fault it is a transaction like any other, and late is not called.
func TestTxnDetached(t *testing.T) {
	z := zktest.Open(t).Session(t)
	e := epoch(t, z)
	var l latecomer
	r, err := e.TxnDetached(t.Context(), l.late, session.OpCreate("/a", nil), session.OpCreate("/a/b-", nil, session.Sequential()))
	if err != nil || len(r) != 2 || r[1].Path != "/a/b-0000000000" {
		t.Fatalf("%v, %v", r, err)
	}
	_, err = e.TxnDetached(t.Context(), l.late, session.OpDelete("/a", session.AnyVersion))
	testkit.WantError(t, err, session.ErrNotEmpty)
	_, err = e.TxnDetached(t.Context(), l.late, session.OpDelete("a", 0))
	testkit.WantError(t, err, session.ErrInvalid)
	if r, err := e.TxnDetached(t.Context(), l.late); r != nil || err != nil {
		t.Errorf("nothing to do: %v, %v", r, err)
	}
	if err := z.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = e.TxnDetached(t.Context(), l.late, session.OpDelete("/a", 0))
	testkit.WantError(t, err, session.ErrClosed)
	if l.notified().calls > 0 {
		t.Error("late was called")
	}
}
