package lock_test

import (
	"context"
	"errors"
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

// take acquires with Lock, RLock or a similar method.
func take(t testing.TB, acquire func(context.Context) (*lock.Lease, error)) *lock.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	l, err := acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// taking calls take in the background.
func taking(t testing.TB, acquire func(context.Context) (*lock.Lease, error)) <-chan *lock.Lease {
	c := make(chan *lock.Lease, 1)
	go func() { c <- take(t, acquire) }()
	return c
}

// refused checks that a Try method would have to wait.
func refused(t testing.TB, what string, try func(context.Context) (*lock.Lease, error)) {
	t.Helper()
	l, err := try(t.Context())
	if !errors.Is(err, lock.ErrLocked) {
		t.Errorf("%s: %v", what, err)
	}
	if l != nil {
		mustUnlock(t, l)
	}
}

// waits checks that c has no value.
func waits(t testing.TB, who string, c <-chan *lock.Lease) {
	t.Helper()
	select {
	case l := <-c:
		t.Fatalf("%s did not wait, and holds %s", who, l.Path())
	default:
	}
}

func eachNaming(t *testing.T, f func(*testing.T, lock.Option)) {
	for name, naming := range map[string]lock.Layout{"Curator": lock.Curator, "Kazoo": lock.Kazoo} {
		t.Run(name, func(t *testing.T) { f(t, lock.WithLayout(naming)) })
	}
}

func TestReadersShareAndWriterExcludes(t *testing.T) {
	eachNaming(t, func(t *testing.T, naming lock.Option) {
		target := zktest.Open(t)
		a := lock.NewRW(target.Session(t), path, naming)
		b := lock.NewRW(target.Session(t), path, naming)
		r1, r2 := take(t, a.RLock), take(t, b.RLock)
		r3, err := a.TryRLock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		refused(t, "TryLock beside readers", b.TryLock)
		refused(t, "TryLock beside readers of the same session", a.TryLock)
		writer := taking(t, b.Lock)
		testkit.AwaitChildren(t, target.Session(t), path, 4)
		refused(t, "TryRLock behind a writer who waits", a.TryRLock)
		for _, l := range []*lock.Lease{r1, r2, r3} {
			waits(t, "the writer", writer)
			if err := l.Err(); err != nil {
				t.Error(err)
			}
			mustUnlock(t, l)
		}
		w := <-writer
		refused(t, "TryRLock beside a writer", a.TryRLock)
		refused(t, "TryLock beside a writer", a.TryLock)
		mustUnlock(t, w)
		w, err = a.TryLock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mustUnlock(t, w)
	})
}

// Neither readers nor writers starve the other: a later contender waits.
func TestReadWriteLockIsFair(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m, far := lock.NewRW(s, path), lock.NewRW(target.Session(t), path)
	holder := take(t, m.RLock)
	first := taking(t, far.Lock)
	testkit.AwaitChildren(t, s, path, 2)
	reader := taking(t, m.RLock)
	testkit.AwaitChildren(t, s, path, 3)
	beside := taking(t, far.RLock)
	testkit.AwaitChildren(t, s, path, 4)
	second := taking(t, m.Lock)
	testkit.AwaitChildren(t, s, path, 5)
	last := taking(t, far.RLock)
	testkit.AwaitChildren(t, s, path, 6)

	mustUnlock(t, holder)
	w := <-first
	for who, c := range map[string]<-chan *lock.Lease{"reader": reader, "second writer": second, "last reader": last} {
		waits(t, who, c)
	}
	mustUnlock(t, w)
	r1, r2 := <-reader, <-beside
	waits(t, "second writer", second)
	waits(t, "last reader", last)
	if r1.Token() <= w.Token() {
		t.Errorf("reader's token %v after the writer's %v", r1.Token(), w.Token())
	}
	mustUnlock(t, r1)
	waits(t, "second writer", second)
	mustUnlock(t, r2)
	w = <-second
	waits(t, "last reader", last)
	mustUnlock(t, w)
	mustUnlock(t, <-last)
}

// If a writer in the middle leaves, the readers behind it share the lock with those
// ahead.
func TestCanceledWriterLetsReadersIn(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m, far := lock.NewRW(s, path), lock.NewRW(target.Session(t), path)
	holder := take(t, m.RLock)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := m.Lock(ctx)
		gone <- err
	}()
	testkit.AwaitChildren(t, s, path, 2)
	reader := taking(t, far.RLock)
	testkit.AwaitChildren(t, s, path, 3)
	waits(t, "the reader", reader)
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("Lock: %v", err)
	}
	mustUnlock(t, <-reader)
	mustUnlock(t, holder)
}

// Curator's fault 3.17: a writer that became a reader left a gap for the next writer.
func TestDowngradeLetsNoWriterIn(t *testing.T) {
	eachNaming(t, func(t *testing.T, naming lock.Option) {
		target := zktest.Open(t)
		s := target.Session(t)
		m, far := lock.NewRW(s, path, naming), lock.NewRW(target.Session(t), path, naming)
		w := take(t, m.Lock)
		near := taking(t, m.Lock)
		testkit.AwaitChildren(t, s, path, 2)
		next := taking(t, far.Lock)
		testkit.AwaitChildren(t, s, path, 3)
		reader := taking(t, far.RLock)
		testkit.AwaitChildren(t, s, path, 4)

		r, err := w.Downgrade(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !errors.Is(w.Err(), lock.ErrReleased) {
			t.Errorf("the write lease ended with %v", w.Err())
		}
		if r.Token() != w.Token() {
			t.Errorf("token %v became %v", w.Token(), r.Token())
		}
		beside, err := lock.NewRW(s, "/app/other", naming).TryRLock(t.Context()) // time passes
		if err != nil {
			t.Fatal(err)
		}
		mustUnlock(t, beside)
		if err := r.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		waits(t, "a writer of the same session", near)
		waits(t, "a writer of another session", next)
		waits(t, "a reader behind writers", reader)
		refused(t, "TryLock beside a reader", far.TryLock)
		mustUnlock(t, r)
		mustUnlock(t, <-near)
		mustUnlock(t, <-next)
		mustUnlock(t, <-reader)
	})
}

// A writer of Curator that also wants to read creates the reader's node first and
// releases the writer's node later.
func TestReaderComesInTheWritersPlace(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	const uuid = "_c_06d3d850-e8ca-46ae-af18-15b6add28be8-"
	writer, _, err := s.Create(t.Context(), path+"/"+uuid+"__WRIT__", nil, session.Ephemeral(), session.Sequential(), session.Parents())
	if err != nil {
		t.Fatal(err)
	}
	near := taking(t, lock.NewRW(s, path).Lock)
	testkit.AwaitChildren(t, s, path, 2)
	far := taking(t, lock.NewRW(target.Session(t), path).Lock)
	testkit.AwaitChildren(t, s, path, 3)
	reader, _, err := s.Create(t.Context(), strings.Replace(writer, "WRIT", "READ", 1), nil, session.Ephemeral())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), writer, session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	refused(t, "TryLock beside the reader", lock.NewRW(s, path).TryLock)
	waits(t, "a writer of the same session", near)
	waits(t, "a writer of another session", far)
	if err := s.Delete(t.Context(), reader, session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	mustUnlock(t, <-near)
	mustUnlock(t, <-far)
}

func TestDowngradeLetsReadersIn(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m, far := lock.NewRW(s, path, lock.WithID("me")), lock.NewRW(target.Session(t), path)
	w := take(t, m.Lock)
	reader := taking(t, far.RLock)
	testkit.AwaitChildren(t, s, path, 2)
	r, err := w.Downgrade(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mustUnlock(t, <-reader)
	testkit.AwaitChildren(t, s, path, 1) // the server of s knows that the reader has left
	cs, err := m.Contenders(t.Context())
	if err != nil || len(cs) != 1 || cs[0].ID != "me" || !cs[0].Reader || cs[0].Path != r.Path() {
		t.Errorf("Contenders: %+v, %v", cs, err)
	}
	_, old := session.Split(w.Path())
	_, name := session.Split(r.Path())
	number := old[len(old)-10:]
	if !strings.HasPrefix(name, "_c_") || !strings.HasSuffix(name, "-__READ__"+number) || len(name) != len(old) {
		t.Errorf("%s became %s", old, name)
	}
	mustUnlock(t, r)
	mustUnlock(t, take(t, far.Lock))
}

func TestDowngradeIsInvalid(t *testing.T) {
	s := zktest.Open(t).Session(t)
	m := lock.NewRW(s, path)
	for name, l := range map[string]*lock.Lease{
		"read lease":  take(t, m.RLock),
		"mutex lease": take(t, lock.New(s, "/app/mutex").Lock),
	} {
		var oe *session.OpError
		if _, err := l.Downgrade(t.Context()); !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) || oe.Path != l.Path() {
			t.Errorf("Downgrade of a %s: %v", name, err)
		}
		if err := l.Err(); err != nil {
			t.Errorf("a %s that could not be downgraded ended with %v", name, err)
		}
		mustUnlock(t, l)
	}
	w := take(t, m.Lock)
	mustUnlock(t, w)
	if _, err := w.Downgrade(t.Context()); !errors.Is(err, lock.ErrReleased) {
		t.Errorf("Downgrade after Unlock: %v", err)
	}
	w = take(t, m.Lock)
	if err := s.Delete(t.Context(), w.Path(), session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Downgrade(t.Context()); !errors.Is(err, lock.ErrLost) || !errors.Is(err, session.ErrNoNode) {
		t.Errorf("Downgrade of what an operator has taken away: %v", err)
	}
	if _, err := m.TryLock(t.Context()); err != nil {
		t.Errorf("TryLock after a failed Downgrade: %v", err)
	}
}

func TestReadWriteContenders(t *testing.T) {
	s := zktest.Open(t).Session(t)
	a, b := lock.NewRW(s, path, lock.WithID("a")), lock.NewRW(s, path, lock.WithID("b"))
	r := take(t, a.RLock)
	w := taking(t, b.Lock)
	testkit.AwaitChildren(t, s, path, 2)
	cs, err := a.Contenders(t.Context())
	if err != nil || len(cs) != 2 {
		t.Fatal(cs, err)
	}
	_, st, err := s.Get(t.Context(), r.Path())
	if err != nil {
		t.Fatal(err)
	}
	if cs[0] != (lock.Contender{ID: "a", Token: r.Token(), Path: r.Path(), Session: r.SessionID(), Since: st.Ctime, Reader: true}) {
		t.Errorf("the reader is %+v", cs[0])
	}
	if cs[1].ID != "b" || cs[1].Reader || cs[1].Token <= r.Token() {
		t.Errorf("the writer is %+v", cs[1])
	}
	mustUnlock(t, r)
	mustUnlock(t, <-w)
}

func TestReadWriteDo(t *testing.T) {
	m := lock.NewRW(zktest.Open(t).Session(t), path)
	failed := errors.New("failed")
	err := m.RDo(t.Context(), func(ctx context.Context, outer *lock.Lease) error {
		return m.RDo(ctx, func(ctx context.Context, inner *lock.Lease) error {
			refused(t, "TryLock within RDo", m.TryLock)
			return errors.Join(outer.Err(), inner.Err(), failed)
		})
	})
	if !errors.Is(err, failed) || errors.Is(err, lock.ErrLost) {
		t.Errorf("RDo: %v", err)
	}
	if err := m.Do(t.Context(), func(ctx context.Context, l *lock.Lease) error {
		refused(t, "TryRLock within Do", m.TryRLock)
		return l.Err()
	}); err != nil {
		t.Errorf("Do: %v", err)
	}
}

// Foreign children and nodes of other kinds of lock are not contenders.
func TestForeignChildrenOfReadWriteLock(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for _, name := range []string{"0", "garbage", "__WRIT__", "x-__WRIT__12", "x-__READ__000000000a", "x-latch-0000000000"} {
		if _, _, err := s.Create(t.Context(), path+"/"+name, nil, session.Parents()); err != nil {
			t.Fatal(err)
		}
	}
	m := lock.NewRW(s, path)
	mustUnlock(t, take(t, m.TryLock))
	mustUnlock(t, take(t, m.TryRLock))
}

// Curator's fault 3.24: each wait that timed out left a watch behind.
func TestTimedOutReadersAndWritersLeaveNothing(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m := lock.NewRW(s, path)
	w := take(t, m.Lock)
	before := goleak.IgnoreCurrent()
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for i := range 200 {
		acquire := m.RLock
		if i%2 == 0 {
			acquire = m.Lock
		}
		all.Go(func() {
			if _, err := acquire(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("a wait ended with %v", err)
			}
		})
	}
	testkit.AwaitChildren(t, s, path, 201)
	cancel()
	all.Wait()
	testkit.AwaitChildren(t, s, path, 1)
	goleak.VerifyNone(t, before)
	mustUnlock(t, w)
	testkit.NothingLeft(t, target, s)
}
