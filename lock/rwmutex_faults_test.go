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

// manyReaders is a limit of shares that leaves no room for a writer.
const manyReaders = 1000

// keep owns l for a second, as the given number of shares, and releases it.
func keep(s *faulttable.Run, who string, l *lock.Lease, weight int) {
	s.Owners.BeginShare(who, l.Token(), weight, l.Context())
	release(s, who, l)
}

func release(s *faulttable.Run, who string, l *lock.Lease) {
	select {
	case <-time.After(time.Second):
	case <-l.Context().Done():
	}
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	if err := l.Unlock(ctx); err != nil && !errors.Is(err, lock.ErrLost) {
		s.Errorf("Unlock of %s: %v", who, err)
	}
}

func write(s *faulttable.Run, who string, sess *session.Session) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	l, err := lock.NewRW(sess, path).Lock(ctx)
	if err != nil {
		s.Errorf("Lock of %s: %v", who, err)
		return
	}
	keep(s, who, l, manyReaders)
}

func read(s *faulttable.Run, who string, sess *session.Session) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	l, err := lock.NewRW(sess, path).RLock(ctx)
	if err != nil {
		s.Errorf("RLock of %s: %v", who, err)
		return
	}
	keep(s, who, l, 1)
}

// runStaggered starts the functions one moment after the other.
func runStaggered(s *faulttable.Run, steps ...func()) {
	if s.Owners.Limit == 0 {
		s.Owners.Limit = manyReaders
	}
	var all sync.WaitGroup
	for _, step := range steps {
		all.Go(step)
		time.Sleep(time.Millisecond)
	}
	all.Wait()
}

func TestFaultsReaderBetweenWriters(t *testing.T) {
	faulttable.Sample(t, 5, func(s *faulttable.Run) {
		runStaggered(s,
			func() { write(s, "healthy", s.Healthy) },
			func() { read(s, "faulty", s.Faulty) },
			func() { write(s, "next healthy", s.Healthy) })
	})
}

func TestFaultsWriterBetweenReaders(t *testing.T) {
	faulttable.Sample(t, 5, func(s *faulttable.Run) {
		runStaggered(s,
			func() { read(s, "healthy", s.Healthy) },
			func() { write(s, "faulty", s.Faulty) },
			func() { read(s, "next healthy", s.Healthy) })
	})
}

// downgrade lets sess write, read, and release.
func downgrade(s *faulttable.Run, who string, sess *session.Session) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	w, err := lock.NewRW(sess, path).Lock(ctx)
	if err != nil {
		s.Errorf("Lock of %s: %v", who, err)
		return
	}
	s.Owners.BeginShare(who, w.Token(), manyReaders, w.Context())
	time.Sleep(time.Second)
	r, err := w.Downgrade(ctx)
	if w.Err() == nil {
		s.Errorf("%s holds a lease that was downgraded", who)
	}
	if err != nil {
		if !errors.Is(err, lock.ErrLost) {
			s.Errorf("Downgrade of %s: %v", who, err)
		}
		return
	}
	keep(s, who+", reading", r, 1)
}

func TestFaultsDowngrade(t *testing.T) {
	faulttable.Sample(t, 7, func(s *faulttable.Run) {
		runStaggered(s,
			func() { downgrade(s, "faulty", s.Faulty) },
			func() { write(s, "healthy", s.Healthy) })
	})
}

// The same scenario, as waiters observe it.
func TestFaultsBehindDowngrade(t *testing.T) {
	faulttable.Sample(t, 7, func(s *faulttable.Run) {
		runStaggered(s,
			func() { downgrade(s, "healthy", s.Healthy) },
			func() { write(s, "faulty", s.Faulty) })
	})
}

// A Downgrade that is canceled leaves no node, whatever its outcome.
func TestFaultsDowngradeCanceled(t *testing.T) {
	faulttable.Sample(t, 17, func(s *faulttable.Run) {
		ctx, cancel := context.WithCancel(s.Context())
		s.Owners.Limit = manyReaders
		w, err := lock.NewRW(s.Faulty, path).Lock(ctx)
		if err != nil {
			s.Fatal(err)
		}
		s.Owners.BeginShare("faulty", w.Token(), manyReaders, w.Context())
		heal := s.Server.Partition(s.Faulty.Status().ID)
		time.AfterFunc(time.Second, cancel)
		time.AfterFunc(2*time.Second, heal)
		if _, err := w.Downgrade(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, lock.ErrLost) {
			s.Errorf("Downgrade: %v", err)
		}
		write(s, "healthy", s.Healthy)
	})
}
