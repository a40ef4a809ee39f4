package lock_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on the servers that ZKTEST selects.

const permits = "/app/permits"

// several returns a function that calls AcquireN with k.
func several(m *lock.Semaphore, k int) func(context.Context) (*lock.Lease, error) {
	return func(ctx context.Context) (*lock.Lease, error) { return m.AcquireN(ctx, k) }
}

func trySeveral(m *lock.Semaphore, k int) func(context.Context) (*lock.Lease, error) {
	return func(ctx context.Context) (*lock.Lease, error) { return m.TryAcquireN(ctx, k) }
}

func remaining(t testing.TB, m *lock.Semaphore, want int) {
	t.Helper()
	if n, err := m.Remaining(t.Context()); err != nil || n != want {
		t.Errorf("%d permits remain (%v), and should be %d", n, err, want)
	}
}

// queue returns the path of the line for the right to take permits.
func queue(naming lock.Layout) string {
	if naming == lock.Kazoo {
		return permits + "-__lock__"
	}
	return permits + "/locks"
}

func TestSemaphore(t *testing.T) {
	for _, naming := range []lock.Layout{lock.Curator, lock.Kazoo} {
		t.Run(fmt.Sprint(naming), func(t *testing.T) {
			target := zktest.Open(t)
			s := target.Session(t)
			a := lock.NewSemaphore(s, permits, 3, lock.WithLayout(naming), lock.WithID("a"))
			b := lock.NewSemaphore(target.Session(t), permits, 3, lock.WithLayout(naming), lock.WithID("b"))
			remaining(t, a, 3)
			one, two := take(t, a.Acquire), take(t, several(b, 2))
			if two.Token() <= one.Token() {
				t.Errorf("token %v came after %v", two.Token(), one.Token())
			}
			remaining(t, b, 0)
			refused(t, "TryAcquire of what is taken", a.TryAcquire)
			cs, err := a.Holders(t.Context())
			if err != nil || len(cs) != 3 || cs[0].ID != "a" || cs[1].ID != "b" || cs[2].ID != "b" || cs[2].Token != two.Token() {
				t.Errorf("Holders: %+v, %v", cs, err)
			}
			next := taking(t, several(a, 2))
			testkit.AwaitChildren(t, s, queue(naming), 1)
			mustUnlock(t, one)
			if err := two.Verify(t.Context()); err != nil {
				t.Error(err)
			}
			waits(t, "who wants two where one is free", next)
			refused(t, "TryAcquire behind who waits", b.TryAcquire)
			if len(two.Guards()) != 2 {
				t.Errorf("%d guards of a lease of two permits", len(two.Guards()))
			}
			mustUnlock(t, two)
			mustUnlock(t, <-next)
			if _, err := s.Txn(t.Context(), two.Guards()...); !errors.Is(err, session.ErrNoNode) {
				t.Errorf("the guards of a lease that was unlocked: %v", err)
			}
			remaining(t, a, 3)
			testkit.NothingLeft(t, target, s)
		})
	}
}

func TestSemaphoreNodes(t *testing.T) {
	for naming, want := range map[lock.Layout]string{
		lock.Curator: "^" + permits + "/leases/_c_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-lease-[0-9]{10}$",
		lock.Kazoo:   "^" + permits + "/[0-9a-f]{32}$",
	} {
		t.Run(fmt.Sprint(naming), func(t *testing.T) {
			s := zktest.Open(t).Session(t)
			m := lock.NewSemaphore(s, permits, 20, lock.WithLayout(naming))
			l := take(t, several(m, 2))
			for _, c := range []string{l.Path(), mustHolders(t, m)[1].Path} {
				if !regexp.MustCompile(want).MatchString(c) {
					t.Errorf("a permit is %s", c)
				}
			}
			if data, _, err := s.Get(t.Context(), permits); err != nil || string(data) != "20" {
				t.Errorf("the limit is recorded as %q (%v)", data, err)
			}
			if _, ok, err := s.Exists(t.Context(), queue(naming)); err != nil || !ok {
				t.Errorf("no line at %s (%v)", queue(naming), err)
			}
			mustUnlock(t, l)
		})
	}
}

func mustHolders(t testing.TB, m *lock.Semaphore) []lock.Contender {
	t.Helper()
	cs, err := m.Holders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

// Curator's fault 3.14: two callers that wanted both of two permits had one each, and
// waited forever.
func TestPermitsAreTakenAllAtOnce(t *testing.T) {
	target := zktest.Open(t)
	const n = 3
	var taken atomic.Int32
	var all sync.WaitGroup
	for range 3 {
		m := lock.NewSemaphore(target.Session(t), permits, n)
		for k := 1; k <= n; k++ {
			all.Go(func() {
				for range 5 {
					l := take(t, several(m, k))
					if now := taken.Add(int32(k)); now > n {
						t.Errorf("%d permits of %d", now, n)
					}
					taken.Add(int32(-k))
					mustUnlock(t, l)
				}
			})
		}
	}
	all.Wait()
}

func TestSemaphoreLimit(t *testing.T) {
	for _, naming := range []lock.Layout{lock.Curator, lock.Kazoo} {
		t.Run(fmt.Sprint(naming), func(t *testing.T) {
			s := zktest.Open(t).Session(t)
			named := lock.WithLayout(naming)
			two, three := lock.NewSemaphore(s, permits, 2, named), lock.NewSemaphore(s, permits, 3, named)
			l := take(t, several(two, 2))
			waiter := taking(t, two.Acquire)
			testkit.AwaitChildren(t, s, queue(naming), 1)
			disagree := func(when string) {
				t.Helper()
				var oe *session.OpError
				if _, err := three.Acquire(t.Context()); !errors.Is(err, lock.ErrLimit) || !errors.As(err, &oe) || oe.Path != permits {
					t.Errorf("%s: Acquire with another limit: %v", when, err)
				}
				if _, err := three.TryAcquire(t.Context()); !errors.Is(err, lock.ErrLimit) {
					t.Errorf("%s: TryAcquire with another limit: %v", when, err)
				}
				if _, err := three.Remaining(t.Context()); !errors.Is(err, lock.ErrLimit) {
					t.Errorf("%s: Remaining with another limit: %v", when, err)
				}
			}
			disagree("behind one who waits")
			mustUnlock(t, l)
			mustUnlock(t, <-waiter)
			disagree("where nobody is")
			mustUnlock(t, take(t, two.Acquire)) // the failed calls have left no nodes
			if _, err := s.Set(t.Context(), permits, []byte("3"), session.AnyVersion); err != nil {
				t.Fatal(err)
			}
			mustUnlock(t, take(t, three.Acquire))
		})
	}
}

// Curator does not record the limit, and other clients may have created the nodes.
func TestSemaphoreLimitOfOthers(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for data, want := range map[string]string{"": "2", "2": "2"} {
		p := "/sem" + strings.TrimSpace(data)
		if _, _, err := s.Create(t.Context(), p, []byte(data)); err != nil {
			t.Fatal(err)
		}
		l := take(t, lock.NewSemaphore(s, p, 2).Acquire)
		if got, _, err := s.Get(t.Context(), p); err != nil || string(got) != want {
			t.Errorf("%q became %q (%v)", data, got, err)
		}
		mustUnlock(t, l)
	}
}

func TestSemaphoreBadInput(t *testing.T) {
	s := zktest.Open(t).Session(t)
	m := lock.NewSemaphore(s, permits, 1<<20)
	for name, acquire := range map[string]func(context.Context) (*lock.Lease, error){
		"none": several(m, 0), "less": several(m, -1), "more than there are": several(m, 1<<20+1),
		"more than fit": several(m, 100_000), "more, tried": trySeveral(m, 1<<20+1),
		"no permits": lock.NewSemaphore(s, permits, 0).Acquire, "fewer than none": lock.NewSemaphore(s, permits, -1).TryAcquire,
		"bad path": lock.NewSemaphore(s, "", 1).Acquire, "bad path, Kazoo": lock.NewSemaphore(s, "a/", 1, lock.WithLayout(lock.Kazoo)).Acquire,
	} {
		var oe *session.OpError
		if _, err := acquire(t.Context()); !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := lock.NewSemaphore(s, "", 1).Remaining(t.Context()); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("Remaining at no path: %v", err)
	}
	if _, err := lock.NewSemaphore(s, "x", 1).Holders(t.Context()); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("Holders at a bad path: %v", err)
	}
	if _, ok, err := s.Exists(t.Context(), permits); err != nil || ok {
		t.Errorf("something was sent (%v)", err)
	}
}

func TestSemaphoreForeignChildren(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for _, name := range []string{"/leases/0", "/leases/x-lease-1", "/leases/lease-000000000a", "/locks/0", "/locks/garbage", "/other"} {
		if _, _, err := s.Create(t.Context(), permits+name, nil, session.Parents()); err != nil {
			t.Fatal(err)
		}
	}
	m := lock.NewSemaphore(s, permits, 1)
	remaining(t, m, 1)
	l := take(t, m.TryAcquire)
	if cs := mustHolders(t, m); len(cs) != 1 {
		t.Errorf("Holders: %v", cs)
	}
	mustUnlock(t, l)
}

// If an operator deletes one of several permits, the lease is lost (Curator's fault
// 3.10), and the other permits are deleted.
func TestOperatorDeletesPermit(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m := lock.NewSemaphore(s, permits, 4)
	for i := range 3 {
		l := take(t, several(m, 3))
		if err := s.Delete(t.Context(), mustHolders(t, m)[i].Path, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		testkit.AwaitDoneSoon(t, l.Context())
		if !errors.Is(l.Err(), lock.ErrLost) || !errors.Is(l.Err(), session.ErrNoNode) {
			t.Errorf("the holder was notified of %v", l.Err())
		}
		mustUnlock(t, take(t, several(m, 4)))
	}
	testkit.NothingLeft(t, target, s)
}

// If an operator deletes the node of a waiter for permits, the waiter joins the end of
// the line.
func TestOperatorDeletesWaiterForPermits(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m := lock.NewSemaphore(s, permits, 1)
	l := take(t, m.Acquire)
	next := taking(t, m.Acquire)
	testkit.AwaitChildren(t, s, permits+"/locks", 1)
	waiting, _, err := s.Children(t.Context(), permits+"/locks")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), permits+"/locks/"+waiting[0], session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	for {
		again, _, err := s.Children(t.Context(), permits+"/locks")
		if err != nil {
			t.Fatal(err)
		}
		if len(again) == 1 && again[0] != waiting[0] {
			break
		}
	}
	mustUnlock(t, l)
	mustUnlock(t, <-next)
	testkit.NothingLeft(t, target, s)
}

// Curator's fault 3.24.
func TestTimedOutAcquiresLeaveNothing(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m := lock.NewSemaphore(s, permits, 2)
	l := take(t, m.Acquire)
	before := goleak.IgnoreCurrent()
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range 200 {
		all.Go(func() {
			if _, err := m.AcquireN(ctx, 2); !errors.Is(err, context.Canceled) {
				t.Errorf("a wait ended with %v", err)
			}
		})
	}
	testkit.AwaitChildren(t, s, permits+"/locks", 200)
	cancel()
	all.Wait()
	testkit.AwaitChildren(t, s, permits+"/locks", 0)
	goleak.VerifyNone(t, before)
	remaining(t, m, 1)
	mustUnlock(t, l)
	testkit.NothingLeft(t, target, s)
}

func TestSemaphoreDo(t *testing.T) {
	m := lock.NewSemaphore(zktest.Open(t).Session(t), permits, 2)
	failed := errors.New("failed")
	if err := m.Do(t.Context(), func(ctx context.Context, l *lock.Lease) error {
		remaining(t, m, 1)
		return errors.Join(l.Err(), failed)
	}); !errors.Is(err, failed) || errors.Is(err, lock.ErrReleased) {
		t.Errorf("Do: %v", err)
	}
	remaining(t, m, 2)
}

// Concurrent TryAcquire calls do not block each other: as many succeed as there are
// permits.
func TestTryAcquireOfManyAtOnce(t *testing.T) {
	target := zktest.Open(t)
	const n, clients = 3, 5
	var sessions []*session.Session
	for range clients {
		sessions = append(sessions, target.Session(t))
	}
	for range 4 {
		var all sync.WaitGroup
		leases := make(chan *lock.Lease, clients)
		for _, s := range sessions {
			all.Go(func() {
				l, err := lock.NewSemaphore(s, permits, n).TryAcquire(t.Context())
				if err == nil {
					leases <- l
				} else if !errors.Is(err, lock.ErrLocked) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(leases) != n {
			t.Errorf("%d of %d permits were had", len(leases), n)
		}
		for range len(leases) {
			mustUnlock(t, <-leases)
		}
	}
}
