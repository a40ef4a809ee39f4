package lock_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on the servers that ZKTEST selects.

const path = "/app/lock"

func mustLock(t testing.TB, m *lock.Mutex) *lock.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	l, err := m.Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustUnlock(t testing.TB, l *lock.Lease) {
	t.Helper()
	if err := l.Unlock(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestLockUnlock(t *testing.T) {
	s := zktest.Open(t).Session(t)
	m := lock.New(s, path)
	first := mustLock(t, m)
	if err := first.Err(); err != nil {
		t.Fatalf("held, and Err is %v", err)
	}
	if err := first.Verify(t.Context()); err != nil {
		t.Fatalf("Verify of a held lease: %v", err)
	}
	mustUnlock(t, first)
	if err := first.Err(); !errors.Is(err, lock.ErrReleased) {
		t.Errorf("Err after Unlock is %v", err)
	}
	if err := context.Cause(first.Context()); !errors.Is(err, lock.ErrReleased) {
		t.Errorf("cause after Unlock is %v", err)
	}
	if err := first.Unlock(t.Context()); !errors.Is(err, lock.ErrReleased) {
		t.Errorf("second Unlock: %v", err)
	}
	if err := first.Verify(t.Context()); !errors.Is(err, lock.ErrReleased) {
		t.Errorf("Verify after Unlock: %v", err)
	}
	second := mustLock(t, m)
	if second.Token() <= first.Token() {
		t.Errorf("token %v came after %v", second.Token(), first.Token())
	}
	mustUnlock(t, second)
}

func TestLockIsFair(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	holder := mustLock(t, lock.New(a, path))
	const n = 10
	var mu sync.Mutex
	var order []int
	var tokens []session.Zxid
	var all sync.WaitGroup
	for i := range n {
		m := lock.New([]*session.Session{a, b}[i%2], path)
		all.Go(func() {
			l := mustLock(t, m)
			mu.Lock()
			order, tokens = append(order, i), append(tokens, l.Token())
			mu.Unlock()
			mustUnlock(t, l)
		})
		testkit.AwaitChildren(t, a, path, i+2)
	}
	mustUnlock(t, holder)
	all.Wait()
	if !slices.IsSorted(order) || len(order) != n {
		t.Errorf("owned in the order %v", order)
	}
	if !slices.IsSorted(tokens) {
		t.Errorf("tokens %v", tokens)
	}
}

func TestTryLock(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	l := mustLock(t, lock.New(a, path))
	for _, s := range []*session.Session{a, b} { // also within a session
		if _, err := lock.New(s, path).TryLock(t.Context()); !errors.Is(err, lock.ErrLocked) {
			t.Errorf("TryLock of a held lock: %v", err)
		}
	}
	testkit.AwaitChildren(t, a, path, 1)
	mustUnlock(t, l)
	l, err := lock.New(b, path).TryLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mustUnlock(t, l)
}

func TestContenders(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m := lock.New(s, path, lock.WithID("holder"))
	if cs, err := m.Contenders(t.Context()); err != nil || len(cs) != 0 {
		t.Errorf("Contenders of an unused lock: %v, %v", cs, err)
	}
	l := mustLock(t, m)
	ctx, cancel := context.WithCancel(t.Context())
	var waiter sync.WaitGroup
	waiter.Go(func() { lock.New(s, path, lock.WithID("waiter")).Lock(ctx) })
	testkit.AwaitChildren(t, s, path, 2)
	cs, err := m.Contenders(t.Context())
	if err != nil || len(cs) != 2 {
		t.Fatal(cs, err)
	}
	if cs[0].ID != "holder" || cs[0].Token != l.Token() || cs[0].Path != l.Path() {
		t.Errorf("the holder is %+v", cs[0])
	}
	if cs[1].ID != "waiter" || cs[1].Token <= l.Token() {
		t.Errorf("the waiter is %+v", cs[1])
	}
	cancel()
	waiter.Wait()
	mustUnlock(t, l)
}

func TestDo(t *testing.T) {
	s := zktest.Open(t).Session(t)
	m := lock.New(s, path)
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "value")

	if err := m.Do(ctx, func(ctx context.Context, l *lock.Lease) error {
		if ctx.Value(key{}) != "value" || l.Context().Value(key{}) != "value" {
			t.Error("the values of the caller's context are missing")
		}
		return l.Err()
	}); err != nil {
		t.Error(err)
	}

	failed := errors.New("failed")
	if err := m.Do(ctx, func(context.Context, *lock.Lease) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("Do: %v", err)
	}

	canceled, cancel := context.WithCancel(ctx)
	if err := m.Do(canceled, func(ctx context.Context, l *lock.Lease) error {
		cancel()
		<-ctx.Done()
		return l.Err() // the lock is held until fn returns
	}); err != nil {
		t.Errorf("Do: %v", err)
	}

	func() {
		defer func() { recover() }()
		m.Do(ctx, func(context.Context, *lock.Lease) error { panic("fn") })
	}()

	err := m.Do(ctx, func(ctx context.Context, l *lock.Lease) error {
		if err := s.Delete(t.Context(), l.Path(), session.AnyVersion); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), lock.ErrLost) {
			t.Errorf("fn's context ended with %v", context.Cause(ctx))
		}
		return nil
	})
	if !errors.Is(err, lock.ErrLost) || !errors.Is(err, session.ErrNoNode) {
		t.Errorf("Do with a lost lock: %v", err)
	}
	mustUnlock(t, mustLock(t, m)) // the failed calls have left no nodes
}

// Curator's fault 3.10: no contender watched its own node.
func TestOperatorDeletesHolder(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	l := mustLock(t, lock.New(a, path))
	next := make(chan *lock.Lease)
	go func() { next <- mustLock(t, lock.New(b, path)) }()
	testkit.AwaitChildren(t, b, path, 2)
	if err := b.Delete(t.Context(), l.Path(), session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	testkit.AwaitDoneSoon(t, l.Context())
	if !errors.Is(l.Err(), lock.ErrLost) || !errors.Is(l.Err(), session.ErrNoNode) {
		t.Errorf("the holder was notified of %v", l.Err())
	}
	if err := l.Unlock(t.Context()); !errors.Is(err, lock.ErrLost) {
		t.Errorf("Unlock of a lost lease: %v", err)
	}
	n := <-next
	if n.Token() <= l.Token() {
		t.Errorf("token %v came after %v", n.Token(), l.Token())
	}
	mustUnlock(t, n)
}

// Curator's fault 3.10, for a waiter.
func TestOperatorDeletesWaiter(t *testing.T) {
	s := zktest.Open(t).Session(t)
	m := lock.New(s, path, lock.WithID("holder"))
	l := mustLock(t, m)
	next := make(chan *lock.Lease)
	go func() { next <- mustLock(t, lock.New(s, path)) }()
	testkit.AwaitChildren(t, s, path, 2)
	cs, err := m.Contenders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), cs[1].Path, session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for { // it is created again, with another name
		again, err := m.Contenders(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) == 2 && again[1].Path != cs[1].Path {
			break
		}
	}
	mustUnlock(t, l)
	mustUnlock(t, <-next)
}

// Curator's fault 3.16: a child of any name blocked the lock.
func TestForeignChildren(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for _, name := range []string{"0", "garbage", "x-lock-", "x-lock-12", "x-lock-99999999999", "x-lock-000000000a", "-lock-+000000001"} {
		if _, _, err := s.Create(t.Context(), path+"/"+name, nil, session.Parents()); err != nil {
			t.Fatal(err)
		}
	}
	m := lock.New(s, path)
	l := mustLock(t, m)
	if cs, err := m.Contenders(t.Context()); err != nil || len(cs) != 1 {
		t.Errorf("Contenders: %v, %v", cs, err)
	}
	mustUnlock(t, l)
}

func TestGuard(t *testing.T) {
	s := zktest.Open(t).Session(t)
	if _, _, err := s.Create(t.Context(), "/data", nil); err != nil {
		t.Fatal(err)
	}
	l := mustLock(t, lock.New(s, path))
	write := session.OpSet("/data", []byte("x"), session.AnyVersion)
	if _, err := s.Txn(t.Context(), append(l.Guards(), write)...); err != nil {
		t.Fatal(err)
	}
	mustUnlock(t, l)
	if _, err := s.Txn(t.Context(), append(l.Guards(), write)...); !errors.Is(err, session.ErrNoNode) {
		t.Errorf("a guarded write after Unlock: %v", err)
	}
	if _, st, err := s.Get(t.Context(), "/data"); err != nil || st.Version != 1 {
		t.Errorf("version %d after one guarded write that was allowed (%v)", st.Version, err)
	}
}

func TestCloseEndsLeases(t *testing.T) {
	s := zktest.Open(t).Session(t)
	l := mustLock(t, lock.New(s, path))
	waiting := make(chan error)
	go func() {
		_, err := lock.New(s, path).Lock(context.Background())
		waiting <- err
	}()
	testkit.AwaitChildren(t, s, path, 2)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.AwaitDoneSoon(t, l.Context())
	if !errors.Is(l.Err(), lock.ErrLost) || !errors.Is(l.Err(), session.ErrClosed) {
		t.Errorf("the lease ended with %v", l.Err())
	}
	if err := <-waiting; !errors.Is(err, session.ErrClosed) {
		t.Errorf("a waiting Lock returned %v", err)
	}
	if _, err := lock.New(s, path).Lock(t.Context()); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Lock on a closed session: %v", err)
	}
}

func TestNoAuth(t *testing.T) {
	s := zktest.Open(t).Session(t)
	readOnly := session.ACLs(session.ACL{Perms: session.PermRead, Scheme: "world", ID: "anyone"})
	if _, _, err := s.Create(t.Context(), "/locked", nil, readOnly); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"/locked", "/locked/deeper/lock"} {
		if _, err := lock.New(s, p).Lock(context.Background()); !errors.Is(err, session.ErrNoAuth) {
			t.Errorf("Lock at %s, where nothing may be created: %v", p, err)
		}
	}
}

func TestBadPath(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for _, p := range []string{"", "a", "/a/", "/a//b", "/a/../b", "/a/\x00", "/a/./b", "/\ufff0"} {
		_, err := lock.New(s, p).Lock(t.Context())
		var oe *session.OpError
		if !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) {
			t.Errorf("Lock at %q: %v", p, err)
		}
	}
	if _, err := lock.New(s, path, lock.WithID(strings.Repeat("x", 1<<20))).Lock(t.Context()); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("Lock with an id of 1 MB: %v", err)
	}
}

func TestNamings(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for _, c := range []struct {
		naming lock.Layout
		length int
		mark   string
	}{
		{lock.Curator, len("_c_06d3d850-e8ca-46ae-af18-15b6add28be8-lock-0000000000"), "-lock-"},
		{lock.Kazoo, len("_c_06d3d850e8ca46aeaf1815b6add28be8-__lock__0000000000"), "-__lock__"},
	} {
		l := mustLock(t, lock.New(s, path, lock.WithLayout(c.naming)))
		_, name := session.Split(l.Path())
		if len(name) != c.length || !strings.HasPrefix(name, "_c_") || !strings.Contains(name, c.mark) {
			t.Errorf("the node is called %s", name)
		}
		mustUnlock(t, l)
	}
}

// Curator's fault 3.24: each wait that timed out left a watch behind.
func TestCanceledWaitsLeaveNothing(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	l := mustLock(t, lock.New(s, path))
	before := goleak.IgnoreCurrent()
	const n = 1000
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range n {
		all.Go(func() {
			if _, err := lock.New(s, path).Lock(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("Lock: %v", err)
			}
		})
	}
	testkit.AwaitChildren(t, s, path, n+1)
	cancel()
	all.Wait()
	testkit.AwaitChildren(t, s, path, 1)
	goleak.VerifyNone(t, before)
	mustUnlock(t, l)
	testkit.NothingLeft(t, target, s)
}

// Every call refuses an unknown layout, and nothing is sent.
func TestUnknownLayout(t *testing.T) {
	srv := zktest.New(t)
	s := srv.Session(t)
	ctx := t.Context()
	unknown := lock.WithLayout(9)
	m, rw, sem := lock.New(s, path, unknown), lock.NewRW(s, path, unknown), lock.NewSemaphore(s, path, 1, unknown)
	srv.ResetRequests()
	for name, call := range map[string]func() error{
		"Lock":        func() error { _, err := m.Lock(ctx); return err },
		"TryLock":     func() error { _, err := m.TryLock(ctx); return err },
		"Enter":       func() error { _, err := m.Enter(ctx); return err },
		"Contenders":  func() error { _, err := m.Contenders(ctx); return err },
		"Revoke":      func() error { return m.Revoke(ctx) },
		"Multi":       func() error { _, err := lock.NewMulti(s, []string{path}, unknown).Lock(ctx); return err },
		"RWMutex":     func() error { _, err := rw.Lock(ctx); return err },
		"RLock":       func() error { _, err := rw.RLock(ctx); return err },
		"Acquire":     func() error { _, err := sem.Acquire(ctx); return err },
		"TryAcquire":  func() error { _, err := sem.TryAcquire(ctx); return err },
		"Remaining":   func() error { _, err := sem.Remaining(ctx); return err },
		"Holders":     func() error { _, err := sem.Holders(ctx); return err },
		"with a hand": func() error { _, err := lock.New(s, path, unknown, lock.WithLocalHandoff(1)).Lock(ctx); return err },
	} {
		var oe *session.OpError
		if err := call(); !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if rs := srv.Requests(); len(rs) != 0 {
		t.Errorf("sent: %v", rs)
	}
}

// The error of TryAcquire is about permits.
func TestTryAcquireSaysWhy(t *testing.T) {
	s := zktest.Open(t).Session(t)
	sem := lock.NewSemaphore(s, path, 1)
	l, err := sem.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock(t.Context())
	if _, err := sem.TryAcquire(t.Context()); !errors.Is(err, lock.ErrLocked) || !strings.Contains(err.Error(), "permits") {
		t.Errorf("TryAcquire: %v", err)
	}
}
