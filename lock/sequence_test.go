package lock_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// lastNumber is the number that servers since 3.5 give to every further sequential
// child after they have given it once.
const lastNumber = "2147483647"

// inBursts runs a test in which all children get the last number, and one in which
// every third does, as on real servers with several creates in flight.
func inBursts(t *testing.T, test func(t *testing.T, n uint8)) {
	for _, n := range []uint8{1, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, n) }) })
	}
}

// endSequence creates a persistent node whose children get the last number, in bursts
// of n.
func endSequence(t testing.TB, srv *zktest.Server, s *session.Session, path string, n uint8) {
	t.Helper()
	if err := s.CreateAncestors(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Create(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	srv.EndSequenceInBursts(path, n)
}

// Contenders from before and after the end of the numbers own one after the other, in
// the order in which they arrived, on any session.
func TestSequenceEnds(t *testing.T) {
	inBursts(t, func(t *testing.T, burst uint8) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		holder := mustLock(t, lock.New(a, path))
		order := make(chan int)
		wait := func(i int, s *session.Session) {
			go func() {
				l := mustLock(t, lock.New(s, path))
				order <- i
				mustUnlock(t, l)
			}()
			synctest.Wait()
		}
		wait(0, b)
		srv.EndSequenceInBursts(path, burst)
		const n = 13
		for i := 1; i < n; i++ {
			wait(i, []*session.Session{a, b, srv.Session(t)}[i%3])
		}
		if got := strings.Count(srv.Tree(), "lock-"+lastNumber); got != (n-1)/int(burst) {
			t.Fatalf("%d contenders have the last number:\n%s", got, srv.Tree())
		}
		if _, err := lock.New(b, path).TryLock(t.Context()); !errors.Is(err, lock.ErrLocked) {
			t.Errorf("TryLock: %v", err)
		}
		contenders, err := lock.New(a, path).Contenders(t.Context())
		if err != nil || len(contenders) != n+1 {
			t.Fatalf("contenders: %v, %v", contenders, err)
		}
		for i := range n {
			if contenders[i].Token >= contenders[i+1].Token {
				t.Errorf("contender %d came before contender %d: %v", i+1, i, contenders)
			}
		}
		mustUnlock(t, holder)
		for i := range n {
			if got := <-order; got != i {
				t.Errorf("%d owned as number %d", got, i)
			}
			synctest.Wait()
		}
	})
}

// A writer with the last number is replaced by a reader in the same position, ahead of
// all waiters.
func TestReadWriteSequenceEnds(t *testing.T) {
	inBursts(t, func(t *testing.T, burst uint8) {
		srv := zktest.New(t)
		s := srv.Session(t)
		endSequence(t, srv, s, path, burst)
		m := lock.NewRW(s, path)
		first := take(t, m.Lock)
		second := taking(t, lock.NewRW(srv.Session(t), path).Lock)
		synctest.Wait()
		reader := taking(t, m.RLock)
		synctest.Wait()
		third := taking(t, m.Lock)
		synctest.Wait()
		downgraded, err := first.Downgrade(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		waits(t, "the writer behind a reader", second)
		waits(t, "the reader behind that writer", reader)
		refused(t, "TryLock", m.TryLock)
		mustUnlock(t, downgraded)
		writer := <-second
		waits(t, "the reader behind a writer", reader)
		downgraded, err = writer.Downgrade(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mustUnlock(t, <-reader)
		synctest.Wait()
		waits(t, "the writer behind the readers", third)
		mustUnlock(t, downgraded)
		mustUnlock(t, <-third)
	})
}

func TestSemaphoreSequenceEnds(t *testing.T) {
	inBursts(t, func(t *testing.T, burst uint8) {
		srv := zktest.New(t)
		s := srv.Session(t)
		for _, p := range []string{permits + "/locks", permits + "/leases"} {
			endSequence(t, srv, s, p, burst)
		}
		m := lock.NewSemaphore(s, permits, 2)
		first, second := take(t, m.Acquire), take(t, m.Acquire)
		both := taking(t, several(lock.NewSemaphore(srv.Session(t), permits, 2), 2))
		synctest.Wait()
		one := taking(t, m.Acquire)
		synctest.Wait()
		mustUnlock(t, first)
		synctest.Wait()
		waits(t, "the one for two permits", both)
		waits(t, "the one behind it", one)
		mustUnlock(t, second)
		l := <-both
		waits(t, "the one beside two permits", one)
		mustUnlock(t, l)
		mustUnlock(t, <-one)
	})
}

// Other clients order by name only, so the order between their nodes and ours is
// undefined.
func TestSequenceEndsBesideForeignContender(t *testing.T) {
	for name, node := range map[string]string{
		"Curator":      "_c_5d0bd5fc-a4c4-4d37-a9c0-0ab0b7cf7d0c-lock-",
		"go-zookeeper": "_c_5d0bd5fca4c48d378ac00ab0b7cf7d0c-lock-",
		"Kazoo":        "5d0bd5fca4c44d37a9c00ab0b7cf7d0c__lock__",
		"a writer":     "_c_5d0bd5fc-a4c4-4d37-a9c0-0ab0b7cf7d0c-__WRIT__",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				s, foreign := srv.Session(t), srv.Session(t)
				endSequence(t, srv, s, path, 2)
				m := lock.New(s, path)
				holder := mustLock(t, m)
				if _, _, err := foreign.Create(t.Context(), path+"/"+node, nil, session.Ephemeral(), session.Sequential()); err != nil {
					t.Fatal(err)
				}
				for what, call := range map[string]func(context.Context) (*lock.Lease, error){"Lock": m.Lock, "TryLock": m.TryLock} {
					_, err := call(t.Context())
					if !errors.Is(err, session.ErrSequenceEnd) || !strings.Contains(err.Error(), node) {
						t.Errorf("%s: %v", what, err)
					}
				}
				mustUnlock(t, holder)
				synctest.Wait() // nodes of failed calls are deleted in the background
				if names, _, err := s.Children(t.Context(), path); err != nil || len(names) != 1 {
					t.Errorf("%q are left (%v)", names, err)
				}
			})
		})
	}
}

// Before the end of the numbers, and for the only contender with the last number, a
// lock has its usual cost. After that, a session reads the stat of each other
// contender with the last number once.
func TestSequenceEndCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		mustUnlock(t, mustLock(t, lock.New(a, path)))
		srv.EndSequence(path)
		requests := func(op string) (n int) {
			for _, r := range srv.Requests() {
				if r.Op == op {
					n++
				}
			}
			srv.ResetRequests()
			return n
		}
		requests("")
		mustUnlock(t, mustLock(t, lock.New(a, path)))
		if n := requests("exists"); n != 0 {
			t.Errorf("%d stats for a free lock", n)
		}
		delay := testkit.SlowSession(t, srv, 10*time.Millisecond)
		holder := mustLock(t, lock.New(a, path))
		const n = 10
		var waiters sync.WaitGroup
		for range n {
			waiters.Go(func() { mustUnlock(t, mustLock(t, lock.New(b, path))) })
			synctest.Wait()
		}
		if got := requests("exists"); got != 1 { // the holder's; it knows its own
			t.Errorf("%d stats for %d waiters of one session", got, n)
		}
		start := time.Now()
		if _, err := lock.New(delay, path).TryLock(t.Context()); !errors.Is(err, lock.ErrLocked) {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 60*time.Millisecond { // create and list, stats, delete
			t.Errorf("TryLock took %v with round trips of 20ms", d)
		}
		if got := requests("exists"); got != n+1 {
			t.Errorf("%d stats for %d contenders that a session did not know", got, n+1)
		}
		mustUnlock(t, holder)
		waiters.Wait()
	})
}
