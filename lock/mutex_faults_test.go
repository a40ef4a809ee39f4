package lock_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
)

// own holds l for a second and releases it.
func own(s *faulttable.Run, who string, l *lock.Lease) {
	s.Owners.Begin(who, l.Token(), l.Context())
	select {
	case <-time.After(time.Second):
	case <-l.Context().Done():
	}
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	if err := l.Unlock(ctx); err != nil && !errors.Is(err, lock.ErrLost) {
		s.Errorf("Unlock of %s: %v", who, err)
	}
	if l.Err() == nil {
		s.Errorf("%s holds a released lease", who)
	}
}

func acquire(s *faulttable.Run, who string, sess *session.Session) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	l, err := lock.New(sess, "/app/lock", lock.WithID(who)).Lock(ctx)
	if err != nil {
		s.Errorf("Lock of %s: %v", who, err)
		return
	}
	own(s, who, l)
}

// Curator's fault 3.2: two losses in one create left a node that blocked all
// contenders.
func TestFaultsLockFree(t *testing.T) {
	faulttable.Sample(t, 3, func(s *faulttable.Run) { acquire(s, "faulty", s.Faulty) })
}

func TestFaultsLockContended(t *testing.T) {
	faulttable.Sample(t, 11, func(s *faulttable.Run) {
		var all sync.WaitGroup
		for range 2 { // one healthy contender is ahead of the faulty ones, the other between them
			all.Go(func() { acquire(s, "healthy", s.Healthy) })
			time.Sleep(time.Millisecond)
			all.Go(func() { acquire(s, "faulty", s.Faulty) })
			time.Sleep(time.Millisecond)
		}
		all.Wait()
	})
}

// A holder with a stop time works until the deadline after it has lost the lock.
func TestFaultsLockWithStopTime(t *testing.T) {
	faulttable.Sample(t, 11, func(s *faulttable.Run) {
		work := func(who string, sess *session.Session) {
			ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
			defer cancel()
			l, err := lock.New(sess, "/app/lock", lock.WithStopTime(sess.MaxStopTime())).Lock(ctx)
			if err != nil {
				s.Errorf("Lock of %s: %v", who, err)
				return
			}
			working, stop := context.WithCancel(context.Background())
			s.Owners.Begin(who, l.Token(), working)
			select {
			case <-time.After(time.Second):
			case <-l.Context().Done():
				deadline, _ := l.Deadline()
				time.Sleep(time.Until(deadline) - time.Millisecond)
			}
			stop()
			if err := l.Unlock(ctx); err != nil && !errors.Is(err, lock.ErrLost) {
				s.Errorf("Unlock of %s: %v", who, err)
			}
		}
		var all sync.WaitGroup
		all.Go(func() { work("faulty", s.Faulty) })
		time.Sleep(time.Millisecond)
		all.Go(func() { work("healthy", s.Healthy) })
		all.Wait()
	})
}

func TestFaultsLockCanceled(t *testing.T) {
	faulttable.Sample(t, 5, func(s *faulttable.Run) {
		l, err := lock.New(s.Healthy, "/app/lock").Lock(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := lock.New(s.Faulty, "/app/lock").Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("Lock: %v", err)
		}
		if d := time.Since(start); d > time.Second {
			s.Errorf("Lock with a context of one second took %v", d)
		}
		own(s, "healthy", l)
	})
}

func TestFaultsTryLockOfHeld(t *testing.T) {
	faulttable.Sample(t, 3, func(s *faulttable.Run) {
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		l, err := lock.New(s.Healthy, "/app/lock").Lock(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		if _, err := lock.New(s.Faulty, "/app/lock").TryLock(ctx); !errors.Is(err, lock.ErrLocked) {
			s.Errorf("TryLock of a held lock: %v", err)
		}
		own(s, "healthy", l)
	})
}

func TestFaultsTryLockOfFree(t *testing.T) {
	faulttable.Sample(t, 3, func(s *faulttable.Run) {
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		l, err := lock.New(s.Faulty, "/app/lock").TryLock(ctx)
		if err != nil {
			s.Errorf("TryLock of a free lock: %v", err)
			return
		}
		own(s, "faulty", l)
	})
}
