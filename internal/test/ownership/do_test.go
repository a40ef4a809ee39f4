package ownership

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// function is the function that a Do or Run calls.
type function func(context.Context, session.Ownership) error

// doer is a call that acquires, calls a function and releases.
type doer struct {
	do func(ctx context.Context, s *session.Session, fn function) error
	// block makes do wait until the test ends.
	block func(t *testing.T, s *session.Session)
	// repeats is set if a loss is followed by another call of the function.
	repeats bool
}

// as converts a function for a recipe's type of ownership.
func as[O session.Ownership](fn function) func(context.Context, O) error {
	return func(ctx context.Context, o O) error { return fn(ctx, o) }
}

// holder returns a block that acquires with the acquirer of that name.
func holder(acquirer string) func(t *testing.T, s *session.Session) {
	return func(t *testing.T, s *session.Session) {
		if _, err := acquirers[acquirer](t.Context(), s, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// doers has every Do and Run of the recipes.
var doers = map[string]doer{
	"lock.Mutex": {block: holder("lock.Mutex"), do: func(ctx context.Context, s *session.Session, fn function) error {
		return lock.New(s, "/r").Do(ctx, as[*lock.Lease](fn))
	}},
	"lock.Mutex with handoff": {block: holder("lock.Mutex"), do: func(ctx context.Context, s *session.Session, fn function) error {
		return lock.New(s, "/r", lock.WithLocalHandoff(3)).Do(ctx, as[*lock.Lease](fn))
	}},
	"lock.RWMutex.Do": {block: holder("lock.RWMutex"), do: func(ctx context.Context, s *session.Session, fn function) error {
		return lock.NewRW(s, "/r").Do(ctx, as[*lock.Lease](fn))
	}},
	"lock.RWMutex.RDo": {block: holder("lock.RWMutex"), do: func(ctx context.Context, s *session.Session, fn function) error {
		return lock.NewRW(s, "/r").RDo(ctx, as[*lock.Lease](fn))
	}},
	"lock.Semaphore.Do": {block: holder("lock.Semaphore"), do: func(ctx context.Context, s *session.Session, fn function) error {
		return lock.NewSemaphore(s, "/r", 2).Do(ctx, as[*lock.Lease](fn))
	}},
	"lock.Semaphore.DoN": {block: holder("lock.Semaphore"), do: func(ctx context.Context, s *session.Session, fn function) error {
		return lock.NewSemaphore(s, "/r", 2).DoN(ctx, 2, as[*lock.Lease](fn))
	}},
	"lock.Multi": {block: holder("lock.Multi"), do: func(ctx context.Context, s *session.Session, fn function) error {
		return lock.NewMulti(s, []string{"/a", "/b"}).Do(ctx, as[*lock.MultiLease](fn))
	}},
	"election": {block: holder("election"), repeats: true, do: func(ctx context.Context, s *session.Session, fn function) error {
		return election.New(s, "/r").Run(ctx, as[*election.Term](fn))
	}},
	"election with a fixed node": {block: holder("election with a fixed node"), repeats: true, do: func(ctx context.Context, s *session.Session, fn function) error {
		return election.New(s, "/r", election.WithFixedNode("leader")).Run(ctx, as[*election.Term](fn))
	}},
	"naming.Slots": {block: holder("naming.Slots"), do: func(ctx context.Context, s *session.Session, fn function) error {
		return naming.NewSlots(s, "/r", 1).Do(ctx, as[*naming.Slot](fn))
	}},
	"barrier.Double": {do: func(ctx context.Context, s *session.Session, fn function) error {
		return barrier.NewDouble(s, "/r", 1).Do(ctx, as[*barrier.Entry](fn))
	}},
	"barrier.Double of two": {block: func(*testing.T, *session.Session) {}, do: func(ctx context.Context, s *session.Session, fn function) error {
		return barrier.NewDouble(s, "/r", 2).Do(ctx, as[*barrier.Entry](fn))
	}},
}

// doCase is what happens to a call in one case.
type doCase struct {
	srv    *zktest.Server
	s      *session.Session
	cancel context.CancelCauseFunc // of the context of the call
	calls  int                     // of the function
	owned  session.Ownership       // by the last call
}

var (
	errResult = errors.New("result")
	errEnough = errors.New("enough")
)

// What Do and Run return: if ctx ended before the function was called, an error that wraps
// the cause; otherwise the result of the function, joined with a loss or a failed release.
func TestDoReturns(t *testing.T) {
	lose := func(c *doCase, o session.Ownership) {
		c.srv.Expire(c.s.Status().ID)
		<-o.Context().Done()
	}
	const waits = "ctx ends during the wait"
	tests := map[string]struct {
		before func(t *testing.T, c *doCase, d doer)
		fn     func(t *testing.T, ctx context.Context, c *doCase, o session.Ownership) error
		calls  int
		want   []error // that the error wraps; nil if the error is nil
		not    []error
		lost   bool // want holds unless the call repeats: then the error is nil after a second call
		leaves bool // the node stays on the server
	}{
		"ctx ended before": {
			before: func(_ *testing.T, c *doCase, _ doer) { c.cancel(errEnough) },
			want:   []error{errEnough},
		},
		waits: {
			before: func(t *testing.T, c *doCase, d doer) {
				d.block(t, c.srv.Session(t))
				go func() {
					synctest.Wait()
					c.cancel(errEnough)
				}()
			},
			want: []error{errEnough},
		},
		"nil":    {fn: func(*testing.T, context.Context, *doCase, session.Ownership) error { return nil }, calls: 1},
		"result": {fn: func(*testing.T, context.Context, *doCase, session.Ownership) error { return errResult }, calls: 1, want: []error{errResult}},
		"ctx ends while fn runs": {
			fn: func(t *testing.T, ctx context.Context, c *doCase, o session.Ownership) error {
				c.cancel(errEnough)
				<-ctx.Done()
				if !errors.Is(context.Cause(ctx), errEnough) || o.Err() != nil {
					t.Errorf("fn's context ended with %v, and the ownership with %v", context.Cause(ctx), o.Err())
				}
				return errResult
			},
			calls: 1, want: []error{errResult},
		},
		"lost, result": {
			fn: func(t *testing.T, ctx context.Context, c *doCase, o session.Ownership) error {
				if c.calls > 1 {
					return nil
				}
				lose(c, o)
				<-ctx.Done()
				if !errors.Is(context.Cause(ctx), session.ErrLost) {
					t.Errorf("fn's context ended with %v", context.Cause(ctx))
				}
				return errResult
			},
			calls: 1, want: []error{errResult, session.ErrLost}, lost: true,
		},
		"lost, nil": {
			fn: func(_ *testing.T, _ context.Context, c *doCase, o session.Ownership) error {
				if c.calls == 1 {
					lose(c, o)
				}
				return nil
			},
			calls: 1, want: []error{session.ErrLost}, lost: true,
		},
		"lost, and ctx ended": {
			fn: func(_ *testing.T, _ context.Context, c *doCase, o session.Ownership) error {
				lose(c, o)
				c.cancel(errEnough)
				return errResult
			},
			calls: 1, want: []error{errResult, session.ErrLost},
		},
		"fn releases": {
			fn: func(t *testing.T, _ context.Context, _ *doCase, o session.Ownership) error {
				return o.Release(t.Context())
			},
			calls: 1,
		},
		"fn releases, result": {
			fn: func(t *testing.T, _ context.Context, _ *doCase, o session.Ownership) error {
				if err := o.Release(t.Context()); err != nil {
					t.Error(err)
				}
				return errResult
			},
			calls: 1, want: []error{errResult},
		},
		"release refused": {
			fn: func(t *testing.T, _ context.Context, c *doCase, o session.Ownership) error {
				forbid(t, c.s, o)
				return nil
			},
			calls: 1, want: []error{session.ErrNoAuth}, not: []error{session.ErrLost}, leaves: true,
		},
		"release refused, result": {
			fn: func(t *testing.T, _ context.Context, c *doCase, o session.Ownership) error {
				forbid(t, c.s, o)
				return errResult
			},
			calls: 1, want: []error{errResult, session.ErrNoAuth}, not: []error{session.ErrLost}, leaves: true,
		},
	}
	for recipe, d := range doers {
		for name, tt := range tests {
			if recipe == "barrier.Double of two" && tt.calls > 0 {
				continue // there is no other member
			}
			if name == waits && d.block == nil {
				continue // it does not wait
			}
			t.Run(recipe+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					srv := zktest.New(t)
					c := &doCase{srv: srv, s: srv.Session(t)}
					var ctx context.Context
					ctx, c.cancel = context.WithCancelCause(t.Context())
					if tt.before != nil {
						tt.before(t, c, d)
					}
					err := d.do(ctx, c.s, func(ctx context.Context, o session.Ownership) error {
						c.calls++
						c.owned = o
						return tt.fn(t, ctx, c, o)
					})
					calls, want := tt.calls, tt.want
					if tt.lost && d.repeats {
						calls, want = 2, nil
					}
					if c.calls != calls {
						t.Errorf("the function was called %d times, want %d", c.calls, calls)
					}
					if want == nil && err != nil || want != nil && err == nil {
						t.Errorf("error %v, want %v", err, want)
					}
					for _, w := range want {
						testkit.WantError(t, err, w)
					}
					for _, n := range tt.not {
						if errors.Is(err, n) {
							t.Errorf("error %v wraps %v", err, n)
						}
					}
					if c.owned != nil && c.owned.Err() == nil {
						t.Error("the ownership has not ended")
					}
					if !tt.leaves {
						nothingOwned(t, srv, c.s)
					}
				})
			})
		}
	}
}

// If the function panics, the ownership is released and the panic continues.
func TestDoPanics(t *testing.T) {
	for recipe, d := range doers {
		if recipe == "barrier.Double of two" {
			continue
		}
		t.Run(recipe, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				s := srv.Session(t)
				var owned session.Ownership
				func() {
					defer func() {
						if r := recover(); r != "fn" {
							t.Errorf("recovered %v", r)
						}
					}()
					d.do(t.Context(), s, func(_ context.Context, o session.Ownership) error {
						owned = o
						panic("fn")
					})
				}()
				if err := owned.Err(); err == nil || errors.Is(err, session.ErrLost) {
					t.Errorf("the ownership ended with %v", err)
				}
				nothingOwned(t, srv, s)
			})
		})
	}
}

// forbid takes away the right to delete the owner's nodes.
func forbid(t *testing.T, s *session.Session, o session.Ownership) {
	t.Helper()
	var folder string
	switch o := o.(type) {
	case *lock.MultiLease:
		folder, _ = session.Split(o.Leases()[0].Path())
	case interface{ Path() string }:
		folder, _ = session.Split(o.Path())
	}
	testkit.ForbidDelete(t, s, folder)
}

// nothingOwned checks that the session has no ephemeral node but its receipts.
func nothingOwned(t *testing.T, srv *zktest.Server, s *session.Session) {
	t.Helper()
	synctest.Wait()
	for line := range strings.Lines(srv.Tree()) {
		path, isEphemeral := strings.CutSuffix(strings.SplitN(line, " v", 2)[0], " ephemeral")
		if !isEphemeral || strings.HasPrefix(path, session.DefaultReceipts) {
			continue
		}
		if st, _, err := s.Exists(t.Context(), path); err != nil || st.Owner() == s.Status().ID {
			t.Errorf("left: %s (%v)", line, err)
		}
	}
}
