package lock_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// If the server refuses a release, the error reports it. The deletion is retried until
// it is allowed.
func TestReleaseRefused(t *testing.T) {
	type held struct {
		folder  string // the parent of the nodes
		release func(context.Context) error
	}
	lease := func(acquire func(context.Context) (*lock.Lease, error), folder string) func(t *testing.T) held {
		return func(t *testing.T) held { return held{folder, take(t, acquire).Unlock} }
	}
	for name, acquire := range map[string]func(*session.Session) func(t *testing.T) held{
		"Mutex": func(s *session.Session) func(t *testing.T) held { return lease(lock.New(s, path).Lock, path) },
		"local handoff": func(s *session.Session) func(t *testing.T) held {
			return lease(lock.New(s, path, lock.WithLocalHandoff(3)).Lock, path)
		},
		"RLock": func(s *session.Session) func(t *testing.T) held { return lease(lock.NewRW(s, path).RLock, path) },
		"permits": func(s *session.Session) func(t *testing.T) held {
			return lease(several(lock.NewSemaphore(s, permits, 3), 2), permits+"/leases")
		},
		"Multi": func(s *session.Session) func(t *testing.T) held {
			return func(t *testing.T) held {
				return held{path, mustLockAll(t, lock.NewMulti(s, []string{path, "/app/other"})).Unlock}
			}
		},
		"Place": func(s *session.Session) func(t *testing.T) held {
			return func(t *testing.T) held {
				return held{path, enter(t, lock.New(s, path).Enter).Leave}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				s, other := srv.Session(t), srv.Session(t)
				h := acquire(s)(t)
				testkit.ReleaseRefused(t, other, h.folder, h.release)
			})
		})
	}
}

// Do returns the refusal joined with the result of its function.
func TestDoReturnsRefusedRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		result := errors.New("result")
		err := lock.New(s, path).Do(t.Context(), func(context.Context, *lock.Lease) error {
			testkit.ForbidDelete(t, s, path)
			return result
		})
		if !errors.Is(err, result) || !errors.Is(err, session.ErrNoAuth) {
			t.Errorf("Do: %v", err)
		}
	})
}

// The node of a canceled call is deleted as soon as that is allowed.
func TestCanceledLockRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		holder := mustLock(t, lock.New(a, path))
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, err := lock.New(b, path).Lock(ctx)
			failed <- err
		}()
		synctest.Wait()
		allow := testkit.ForbidDelete(t, a, path)
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("Lock: %v", err)
		}
		_, err := lock.New(b, path).TryLock(t.Context())
		if !errors.Is(err, session.ErrNoAuth) {
			t.Errorf("TryLock: %v", err)
		}
		allow()
		time.Sleep(2 * time.Second)
		testkit.AwaitChildren(t, a, path, 1)
		mustUnlock(t, holder)
	})
}
