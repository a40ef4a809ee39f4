package lock_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file that need no virtual time run on the servers that ZKTEST
// selects.

var several3 = []string{"/app/lock", "/app/first", "/app/other"} // unsorted

func mustLockAll(t testing.TB, m *lock.Multi) *lock.MultiLease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	l, err := m.Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// free checks which of the locks at paths are free.
func free(t testing.TB, s *session.Session, want bool, paths ...string) {
	t.Helper()
	for _, p := range paths {
		l, err := lock.New(s, p).TryLock(t.Context())
		if got := err == nil; got != want {
			t.Errorf("%s is free: %v (%v)", p, got, err)
		}
		if l != nil {
			mustUnlock(t, l)
		}
	}
}

func TestMulti(t *testing.T) {
	target := zktest.Open(t)
	s, far := target.Session(t), target.Session(t)
	m := lock.NewMulti(s, append(several3, several3...))
	l := mustLockAll(t, m)
	if err := l.Err(); err != nil {
		t.Errorf("held, and Err is %v", err)
	}
	if err := l.Verify(t.Context()); err != nil {
		t.Errorf("Verify of a held lease: %v", err)
	}
	free(t, far, false, several3...)
	var at []string
	for _, one := range l.Leases() {
		parent, _ := session.Split(one.Path())
		at = append(at, parent)
	}
	if len(at) != 3 || at[0] != "/app/first" || at[1] != "/app/lock" || at[2] != "/app/other" {
		t.Errorf("the locks are %v", at)
	}
	if _, err := s.Txn(t.Context(), l.Guards()...); err != nil || len(l.Guards()) != 3 {
		t.Errorf("%d guards: %v", len(l.Guards()), err)
	}
	if err := l.Unlock(t.Context()); err != nil {
		t.Fatal(err)
	}
	free(t, far, true, several3...)
	for what, err := range map[string]error{
		"Err": l.Err(), "cause": context.Cause(l.Context()), "Unlock": l.Unlock(t.Context()), "Verify": l.Verify(t.Context()),
	} {
		if !errors.Is(err, lock.ErrReleased) {
			t.Errorf("%s after Unlock: %v", what, err)
		}
	}
	if _, err := s.Txn(t.Context(), l.Guards()...); !errors.Is(err, session.ErrNoNode) {
		t.Errorf("a guarded transaction after Unlock: %v", err)
	}
	testkit.NothingLeft(t, target, s)
}

func TestMultiTryLock(t *testing.T) {
	target := zktest.Open(t)
	s, far := target.Session(t), target.Session(t)
	m := lock.NewMulti(s, several3)
	held := take(t, lock.New(far, "/app/other").Lock) // the last
	if _, err := m.TryLock(t.Context()); !errors.Is(err, lock.ErrLocked) {
		t.Errorf("TryLock where one is held: %v", err)
	}
	free(t, far, true, "/app/first", "/app/lock")
	mustUnlock(t, held)
	l, err := m.TryLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Unlock(t.Context()); err != nil {
		t.Error(err)
	}
}

// Callers that acquire the same locks in another order of paths, or one by one in
// sorted order, do not deadlock.
func TestMultiCannotDeadlock(t *testing.T) {
	target := zktest.Open(t)
	orders := [][]string{{"/a", "/b", "/c"}, {"/c", "/b", "/a"}, {"/b", "/c"}, {"/c", "/a"}}
	var inside [3]sync.Mutex
	var all sync.WaitGroup
	for _, paths := range orders {
		m := lock.NewMulti(target.Session(t), paths)
		all.Go(func() {
			for range 5 {
				l := mustLockAll(t, m)
				for _, p := range paths {
					if !inside[p[1]-'a'].TryLock() {
						t.Errorf("%s is held twice", p)
						return
					}
				}
				for _, p := range paths {
					inside[p[1]-'a'].Unlock()
				}
				if err := l.Unlock(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	s := target.Session(t)
	all.Go(func() {
		for range 5 {
			b := take(t, lock.New(s, "/b").Lock)
			c := take(t, lock.New(s, "/c").Lock)
			mustUnlock(t, c)
			mustUnlock(t, b)
		}
	})
	all.Wait()
}

func TestMultiIsLostAsAWhole(t *testing.T) {
	target := zktest.Open(t)
	s, far := target.Session(t), target.Session(t)
	for i := range several3 {
		l := mustLockAll(t, lock.NewMulti(s, several3))
		if err := far.Delete(t.Context(), l.Leases()[i].Path(), session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		testkit.AwaitDoneSoon(t, l.Context())
		if !errors.Is(l.Err(), lock.ErrLost) || !errors.Is(l.Err(), session.ErrNoNode) {
			t.Errorf("the holder was notified of %v", l.Err())
		}
		for _, p := range several3 {
			mustUnlock(t, take(t, lock.New(far, p).Lock))
		}
		if err := l.Unlock(t.Context()); !errors.Is(err, lock.ErrLost) {
			t.Errorf("Unlock of a lost lease: %v", err)
		}
	}
	l := mustLockAll(t, lock.NewMulti(s, several3))
	if err := s.Delete(t.Context(), l.Leases()[1].Path(), session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	if err := l.Verify(t.Context()); !errors.Is(err, lock.ErrLost) {
		t.Errorf("Verify of a lost lease: %v", err)
	}
}

// If a lock is lost while Lock waits for another, it is acquired again.
func TestMultiStartsOver(t *testing.T) {
	target := zktest.Open(t)
	s, far := target.Session(t), target.Session(t)
	last := take(t, lock.New(far, "/app/other").Lock)
	owned := make(chan *lock.MultiLease, 1)
	go func() { owned <- mustLockAll(t, lock.NewMulti(s, several3)) }()
	testkit.AwaitChildren(t, s, "/app/other", 2)
	names, _, err := s.Children(t.Context(), "/app/first")
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if err := far.Delete(t.Context(), "/app/first/"+names[0], session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	for {
		again, _, err := s.Children(t.Context(), "/app/first")
		if err != nil {
			t.Fatal(err)
		}
		if len(again) == 1 && again[0] != names[0] {
			break
		}
	}
	mustUnlock(t, last)
	if err := (<-owned).Unlock(t.Context()); err != nil {
		t.Error(err)
	}
	testkit.NothingLeft(t, target, s)
}

func TestMultiBadInput(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	for _, paths := range [][]string{nil, {""}, {"/a", "b"}, {"/a", "/a/"}} {
		var oe *session.OpError
		if _, err := lock.NewMulti(s, paths).Lock(t.Context()); !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) {
			t.Errorf("Lock at %q: %v", paths, err)
		}
	}
	err := lock.NewMulti(s, []string{"/a", "/b"}).Do(t.Context(), nil)
	if want := "lock: do: invalid argument: the function is nil"; err == nil || err.Error() != want {
		t.Errorf("Do without a function: %v, want %s", err, want)
	}
	if _, ok, err := s.Exists(t.Context(), "/a"); ok || err != nil {
		t.Errorf("something was sent (%v)", err)
	}
}

func TestMultiDo(t *testing.T) {
	s := zktest.Open(t).Session(t)
	m := lock.NewMulti(s, several3)
	err := m.Do(t.Context(), func(ctx context.Context, l *lock.MultiLease) error {
		if err := s.Delete(t.Context(), l.Leases()[2].Path(), session.AnyVersion); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		return nil
	})
	if !errors.Is(err, lock.ErrLost) {
		t.Errorf("Do with a lost lock: %v", err)
	}
	if err := m.Do(t.Context(), func(ctx context.Context, l *lock.MultiLease) error { return l.Verify(ctx) }); err != nil {
		t.Errorf("Do: %v", err)
	}
}

// Curator's multi lock allows the whole timeout for each of its locks.
func TestMultiHasOneDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, far := srv.Session(t), srv.Session(t)
		for i, p := range several3 {
			l := take(t, lock.New(far, p).Lock)
			time.AfterFunc(time.Duration(i+1)*800*time.Millisecond, func() { l.Unlock(context.Background()) })
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := lock.NewMulti(s, several3).Lock(ctx)
		if d := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || d != time.Second {
			t.Errorf("Lock with a context of one second took %v: %v", d, err)
		}
		time.Sleep(time.Minute)
		free(t, far, true, several3...)
		if w := srv.Watches(); len(w) > 0 {
			t.Errorf("watches left: %v", w)
		}
	})
}

// Curator's fault 3.9.
func TestMultiIsNotifiedOfExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		l := mustLockAll(t, lock.NewMulti(s, several3))
		srv.Expire(s.Status().ID)
		testkit.AwaitDone(t, l.Context())
		if !errors.Is(l.Err(), lock.ErrLost) || !errors.Is(l.Err(), session.ErrExpired) {
			t.Errorf("the holder was notified of %v", l.Err())
		}
	})
}

func TestFaultsMulti(t *testing.T) {
	lockBoth := func(s *faulttable.Run, who string, sess *session.Session, paths ...string) {
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		l, err := lock.NewMulti(sess, paths).Lock(ctx)
		if err != nil {
			s.Errorf("Lock of %s: %v", who, err)
			return
		}
		s.Owners.Begin(who, l.Leases()[0].Token(), l.Context())
		select {
		case <-time.After(time.Second):
		case <-l.Context().Done():
		}
		if err := l.Unlock(ctx); err != nil && !errors.Is(err, lock.ErrLost) {
			s.Errorf("Unlock of %s: %v", who, err)
		}
	}
	faulttable.Sample(t, 11, func(s *faulttable.Run) {
		s.Owners.Limit = 1
		runStaggered(s,
			func() { lockBoth(s, "healthy", s.Healthy, "/app/a", "/app/b") },
			func() { lockBoth(s, "faulty", s.Faulty, "/app/b", "/app/a") })
	})
}
