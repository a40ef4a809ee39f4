//go:build ensemble

package zktest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/lock"
	zk "github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
)

// sessionsAt opens n sessions of a server. They are closed at the end of the test.
func sessionsAt(t *testing.T, addr string, n int) (ss []*zk.Session) {
	t.Helper()
	for range n {
		s, err := zk.Connect(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close(context.Background()) })
		ss = append(ss, s)
	}
	return ss
}

// wantPastEnd fails the test unless the next sequential child of a parent gets the last
// number.
func wantPastEnd(t *testing.T, s *zk.Session, parent string) {
	t.Helper()
	path, _, err := s.Create(t.Context(), parent+"/probe-", nil, zk.Ephemeral(), zk.Sequential())
	if err != nil || !strings.HasSuffix(path, "probe-2147483647") {
		t.Errorf("the next child of %s is %s (%v)", parent, path, err)
	}
	if err := s.Delete(t.Context(), path, zk.AnyVersion); err != nil {
		t.Error(err)
	}
}

// One candidate leads at a time on a real server that reaches the end of the sequence
// numbers, each candidate leads once, and observers see a leader that there was.
func TestElectionPastSequenceEnd(t *testing.T) {
	ss := sessionsAt(t, sequenceNearEnd(t, "2147483640"), 3)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var leaders, led atomic.Int32
	var tokens sync.Map
	var all sync.WaitGroup
	for i := range 45 {
		id := fmt.Sprint("candidate-", i)
		all.Go(func() {
			term, err := election.New(ss[i%len(ss)], "/election", election.WithID(id)).Campaign(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			if n := leaders.Add(1); n != 1 {
				t.Errorf("%d leaders at once", n)
			}
			tokens.Store(id, term.Token())
			led.Add(1)
			leader, err := election.New(ss[(i+1)%len(ss)], "/election").Leader(ctx)
			if err != nil && !errors.Is(err, election.ErrNoLeader) {
				t.Error(err)
			}
			if err == nil {
				// The observer's server may lag behind, so an earlier leader is possible.
				if token, ok := tokens.Load(leader.ID); !ok || token != leader.Token {
					t.Errorf("leader %s with token %v, which it does not have", leader.ID, leader.Token)
				}
			}
			time.Sleep(2 * time.Millisecond)
			leaders.Add(-1)
			if err := term.Resign(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if led.Load() != 45 {
		t.Errorf("%d candidates led", led.Load())
	}
	wantPastEnd(t, ss[0], "/election")
}

// No more permits are taken at once than the limit on a real server that reaches the end
// of the sequence numbers, and every waiter gets its permits.
func TestSemaphorePastSequenceEnd(t *testing.T) {
	ss := sessionsAt(t, sequenceNearEnd(t, "2147483640"), 3)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const limit = 3
	var taken, most atomic.Int32
	var all sync.WaitGroup
	for i := range 45 {
		k := 1 + i%limit
		all.Go(func() {
			l, err := lock.NewSemaphore(ss[i%len(ss)], "/semaphore", limit).AcquireN(ctx, k)
			if err != nil {
				t.Error(err)
				return
			}
			n := taken.Add(int32(k))
			if n > limit {
				t.Errorf("%d permits are taken at once", n)
			}
			most.Store(max(most.Load(), n))
			time.Sleep(2 * time.Millisecond)
			taken.Add(int32(-k))
			if err := l.Unlock(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() != limit {
		t.Errorf("at most %d permits were taken at once, want %d", most.Load(), limit)
	}
	wantPastEnd(t, ss[0], "/semaphore/locks")
	wantPastEnd(t, ss[0], "/semaphore/leases")
}

// Masters assign every task on a real server that reaches the end of the sequence
// numbers, although names repeat and masters take turns.
func TestMasterPastSequenceEnd(t *testing.T) {
	ss := sessionsAt(t, sequenceNearEnd(t, "2147483640"), 5)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pool := func(s *zk.Session) *tasks.Pool[string, string] {
		return tasks.New(s, "/pool", codec.Text(), codec.Text())
	}
	background, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	for _, s := range ss[:2] { // each leads for half a second at a time
		all.Go(func() {
			for background.Err() == nil {
				turn, end := context.WithTimeout(background, 500*time.Millisecond)
				if err := pool(s).Master(turn, tasks.WithRetention(0, time.Hour)); err != nil {
					t.Error(err)
				}
				end()
			}
		})
	}
	var calls sync.Map
	for i, s := range ss[2:4] {
		all.Go(func() {
			err := pool(s).Work(background, fmt.Sprint("worker-", i), func(_ context.Context, task tasks.Task[string]) (string, error) {
				n, _ := calls.LoadOrStore(task.Input, new(atomic.Int32))
				n.(*atomic.Int32).Add(1)
				return task.Input + "!", nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	const n = 60
	refused := 0
	inputs := make(chan string)
	var submitters sync.WaitGroup
	var mu sync.Mutex
	for range 3 {
		submitters.Go(func() {
			for input := range inputs {
				for {
					_, err := pool(ss[4]).Submit(ctx, input)
					if err == nil {
						break
					}
					if !errors.Is(err, zk.ErrSequenceEnd) {
						t.Error(err)
						return
					}
					mu.Lock()
					refused++
					mu.Unlock()
					time.Sleep(5 * time.Millisecond) // until the task of that name is removed
				}
			}
		})
	}
	for i := range n {
		inputs <- fmt.Sprint("task-", i)
	}
	close(inputs)
	submitters.Wait()
	for i := range n {
		input := fmt.Sprint("task-", i)
		for {
			if c, ok := calls.Load(input); ok {
				if c := c.(*atomic.Int32).Load(); c != 1 {
					t.Errorf("%s was carried out %d times", input, c)
				}
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("%s was not carried out", input)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	if refused == 0 {
		t.Error("no task had the name of another one")
	}
	t.Logf("%d submits were refused", refused)
}
