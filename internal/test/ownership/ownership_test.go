package ownership

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

var (
	_ session.Owned     = (*lock.Lease)(nil)
	_ session.Ownership = (*lock.MultiLease)(nil)
	_ session.Owned     = (*election.Term)(nil)
	_ session.Ownership = (*barrier.Entry)(nil)
	_ session.Owned     = (*naming.Slot)(nil)
	_ session.Owned     = (*queue.Item[string])(nil)
	_ session.Owned     = tasks.Task[string]{}
)

// withOwnership runs a test with the ownership of each recipe, in a bubble.
func withOwnership(t *testing.T, test func(t *testing.T, srv *zktest.Server, s *session.Session, o session.Ownership)) {
	for name, acquire := range acquirers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				s := srv.Session(t)
				if name == "queue" {
					if _, err := queue.New(s, "/r", codec.Text()).Push(t.Context(), "x"); err != nil {
						t.Fatal(err)
					}
				}
				o, err := acquire(t.Context(), s, 0)
				if err != nil {
					t.Fatal(err)
				}
				testkit.Create(t, s, "/data", "")
				test(t, srv, s, o.(session.Ownership))
			})
		})
	}
	t.Run("tasks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t)
			s := srv.Session(t)
			pool := tasks.New(s, "/r", codec.Text(), codec.Text())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 2)
			go func() { ended <- pool.Master(ctx) }()
			attempts := make(chan tasks.Task[string])
			release := make(chan struct{})
			go func() {
				ended <- pool.Work(ctx, "w", func(ctx context.Context, k tasks.Task[string]) (string, error) {
					attempts <- k
					<-release
					return "", nil
				})
			}()
			if _, err := pool.Submit(t.Context(), "x"); err != nil {
				t.Fatal(err)
			}
			k := <-attempts
			testkit.Create(t, s, "/data", "")
			test(t, srv, s, k)
			cancel()
			go func() {
				for range attempts { // of the task that was given back
				}
			}()
			close(release)
			for range 2 {
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
			close(attempts)
		})
	})
}

// Txn returns the results of the caller's operations only. Their refusal leaves the
// ownership as it is, also if one of them is a check of a node that a guard checks.
func TestTxn(t *testing.T) {
	withOwnership(t, func(t *testing.T, srv *zktest.Server, s *session.Session, o session.Ownership) {
		if err := o.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		if id := o.SessionID(); id != s.Status().ID {
			t.Errorf("the session is %#x, not %#x", id, s.Status().ID)
		}
		results, err := o.Txn(t.Context(), session.OpSet("/data", []byte("1"), 0), session.OpCreate("/made", nil))
		if err != nil || len(results) != 2 || results[0].Stat.Version != 1 || results[1].Path != "/made" {
			t.Errorf("results %+v, error %v", results, err)
		}
		refused := map[string]struct {
			op   session.Op
			want error
		}{
			"set":    {session.OpSet("/data", nil, 77), session.ErrBadVersion},
			"create": {session.OpCreate("/made", nil), session.ErrNodeExists},
			"delete": {session.OpDelete("/none", 0), session.ErrNoNode},
			"check":  {session.OpCheck("/data", 77), session.ErrBadVersion},
		}
		if owned, ok := o.(session.Owned); ok {
			refused["check of its own node"] = struct {
				op   session.Op
				want error
			}{session.OpCheck(owned.Path(), 77), session.ErrBadVersion}
			if owned.Token() == 0 {
				t.Error("the token is 0")
			}
		}
		for name, tt := range refused {
			_, err := o.Txn(t.Context(), tt.op)
			if !errors.Is(err, tt.want) || errors.Is(err, session.ErrLost) || o.Err() != nil {
				t.Errorf("%s: %v; the ownership: %v", name, err, o.Err())
			}
		}
		if err := o.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// When the ownership is lost, Txn fails with session.ErrLost and changes nothing.
func TestTxnAfterLoss(t *testing.T) {
	withOwnership(t, func(t *testing.T, srv *zktest.Server, s *session.Session, o session.Ownership) {
		srv.Expire(s.Status().ID)
		testkit.AwaitDone(t, o.Context())
		_, err := o.Txn(t.Context(), session.OpCreate("/made", nil))
		if !errors.Is(err, session.ErrLost) || errors.Is(err, session.ErrUnknown) {
			t.Errorf("Txn: %v", err)
		}
		if err := o.Err(); !errors.Is(err, session.ErrLost) || context.Cause(o.Context()) != err {
			t.Errorf("Err: %v, cause %v", err, context.Cause(o.Context()))
		}
		if err := o.Verify(t.Context()); !errors.Is(err, session.ErrLost) {
			t.Errorf("Verify: %v", err)
		}
		if err := o.Release(t.Context()); !errors.Is(err, session.ErrLost) {
			t.Errorf("Release: %v", err)
		}
		if _, there, err := s.Exists(t.Context(), "/made"); there || err != nil {
			t.Errorf("the transaction was carried out (%v)", err)
		}
	})
}

// Release ends the ownership; Txn and Release fail then, and not with session.ErrLost.
func TestRelease(t *testing.T) {
	withOwnership(t, func(t *testing.T, srv *zktest.Server, s *session.Session, o session.Ownership) {
		if err := o.Release(t.Context()); err != nil {
			t.Error(err)
		}
		for name, err := range map[string]error{
			"Err": o.Err(), "Verify": o.Verify(t.Context()), "Release": o.Release(t.Context()), "the cause": context.Cause(o.Context()),
			"Txn": func() error { _, err := o.Txn(t.Context(), session.OpCreate("/made", nil)); return err }(),
		} {
			if err == nil || errors.Is(err, session.ErrLost) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for line := range strings.Lines(srv.Tree()) {
			if strings.Contains(line, " ephemeral ") && !strings.HasPrefix(line, session.DefaultReceipts) && !strings.Contains(line, "/workers/") && !strings.Contains(line, "/master") {
				t.Errorf("left: %s", line)
			}
		}
	})
}

// A released item or task is delivered again, and the attempt does not count.
func TestReleaseDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t).Session(t)
		q := queue.New(s, "/q", codec.Text())
		if _, err := q.Push(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		for i, wantAttempt := range []int{1, 1, 1, 2, 2, 3} {
			item, err := q.Claim(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if item.Attempt != wantAttempt {
				t.Errorf("claim %d is attempt %d, want %d", i, item.Attempt, wantAttempt)
			}
			end := item.Release
			if i == 2 || i == 4 {
				end = item.Nack
			}
			if err := end(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for e, err := range q.All(t.Context()) {
			if err != nil || e.Attempts != 2 {
				t.Errorf("%d attempts are listed (%v)", e.Attempts, err)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t).Session(t)
		pool := tasks.New(s, "/t", codec.Text(), codec.Text(), tasks.WithMaxAttempts(3))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 2)
		go func() { ended <- pool.Master(ctx) }()
		calls := 0
		var attempts []int
		go func() {
			ended <- pool.Work(ctx, "w", func(ctx context.Context, k tasks.Task[string]) (string, error) {
				attempts = append(attempts, k.Attempt)
				switch calls++; calls {
				case 1, 2, 4:
					if err := k.Release(ctx); err != nil {
						t.Error(err)
					}
					return "ignored", nil
				case 3:
					return "", errors.New("failed")
				}
				return "done", nil
			})
		}()
		k, err := pool.Submit(ctx, "x")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Wait(ctx); got != "done" || err != nil {
			t.Errorf("the result is %q, %v", got, err)
		}
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		want := []int{1, 1, 1, 2, 2}
		if len(attempts) != len(want) {
			t.Fatalf("attempts %v, want %v", attempts, want)
		}
		for i := range want {
			if attempts[i] != want[i] {
				t.Fatalf("attempts %v, want %v", attempts, want)
			}
		}
	})
}
