package lock_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// releasing is the part of an acquisition that releases it.
type releasing interface{ Unlock(context.Context) error }

// Curator's fault 3.8: a call that was interrupted at the wrong moment left a node
// permanently. A call that is canceled at any of its requests returns, and leaves no
// node.
func TestCanceledAnywhere(t *testing.T) {
	calls := map[string]func(context.Context, *session.Session) (releasing, error){
		"Lock": func(ctx context.Context, s *session.Session) (releasing, error) { return lock.New(s, path).Lock(ctx) },
		"TryLock": func(ctx context.Context, s *session.Session) (releasing, error) {
			return lock.New(s, path).TryLock(ctx)
		},
		"RLock": func(ctx context.Context, s *session.Session) (releasing, error) {
			return lock.NewRW(s, path).RLock(ctx)
		},
		"TryRLock": func(ctx context.Context, s *session.Session) (releasing, error) {
			return lock.NewRW(s, path).TryRLock(ctx)
		},
		"AcquireN":    func(ctx context.Context, s *session.Session) (releasing, error) { return few(s).AcquireN(ctx, 2) },
		"TryAcquireN": func(ctx context.Context, s *session.Session) (releasing, error) { return few(s).TryAcquireN(ctx, 2) },
		"Multi": func(ctx context.Context, s *session.Session) (releasing, error) {
			return lock.NewMulti(s, []string{"/app/a", path}).Lock(ctx)
		},
		"Downgrade": func(ctx context.Context, s *session.Session) (releasing, error) {
			l, err := lock.NewRW(s, path).Lock(ctx)
			if err != nil {
				return nil, err
			}
			return l.Downgrade(ctx)
		},
		"Place": func(ctx context.Context, s *session.Session) (releasing, error) {
			p, err := lock.New(s, path).Enter(ctx)
			if err != nil {
				return nil, err
			}
			defer p.Leave(context.WithoutCancel(ctx))
			if _, err := p.Position(ctx); err != nil {
				return nil, err
			}
			return p.Lock(ctx)
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			for _, held := range []bool{false, true} {
				for n := 0; canceledAt(t, n, held, call); n++ {
				}
			}
		})
	}
}

func few(s *session.Session) *lock.Semaphore { return lock.NewSemaphore(s, permits, fewPermits) }

// canceledAt cancels a call at its request n, counted from 0. It reports whether the
// call sent that many requests.
func canceledAt(t *testing.T, n int, held bool, call func(context.Context, *session.Session) (releasing, error)) (reached bool) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, rival := srv.Session(t), srv.Session(t)
		var holders []*lock.Lease
		if held {
			holders = append(holders, take(t, lock.New(rival, path).Lock), take(t, few(rival).Acquire))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		count := 0
		remove := srv.Fault(func(r zktest.Request) zktest.Fault {
			if r.Session == s.Status().ID {
				if count++; count > n {
					reached = true
					cancel()
				}
			}
			return zktest.Pass
		})
		start := time.Now()
		l, err := call(ctx, s)
		if d := time.Since(start); d > time.Second {
			t.Errorf("a call with a context of one second took %v", d)
		}
		remove()
		switch {
		case err == nil:
			if err := l.Unlock(t.Context()); err != nil {
				t.Error(err)
			}
		case !errors.Is(err, ctx.Err()) && !errors.Is(err, lock.ErrLocked):
			t.Errorf("canceled at request %d: %v", n, err)
		}
		time.Sleep(time.Minute)
		for _, l := range holders {
			mustUnlock(t, l)
		}
		time.Sleep(time.Second)
		if tree := srv.Tree(); strings.Contains(tree, " ephemeral ") {
			t.Errorf("left when canceled at request %d:\n%s", n, tree)
		}
		if w := srv.Watches(); len(w) > 0 {
			t.Errorf("watches left when canceled at request %d: %v", n, w)
		}
	})
	return reached && !t.Failed()
}
