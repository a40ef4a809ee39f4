package barrier_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// history is what members say of the rounds that they were in.
type history struct {
	*testing.T
	n             int
	mu            sync.Mutex
	rounds        map[session.Zxid][]*barrier.Entry
	lost, unknown int
	full, gaveUp  int
	expired       map[int64]bool // sessions that the server has ended before their time, of which nobody can be told first
}

// enter records the result of an Enter, and returns false if it returned no entry.
func (h *history) enter(e *barrier.Entry, err error) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil:
		h.rounds[e.Round()] = append(h.rounds[e.Round()], e)
		if len(h.rounds[e.Round()]) > h.n {
			h.Errorf("more than %d have entered round %v", h.n, e.Round())
		}
		return true
	case errors.Is(err, session.ErrUnknown):
		h.unknown++
	case errors.Is(err, barrier.ErrLost):
		h.lost++
	case errors.Is(err, barrier.ErrFull):
		h.full++
	case errors.Is(err, context.DeadlineExceeded):
		h.gaveUp++
	default:
		h.Errorf("Enter: %v", err)
	}
	return false
}

func (h *history) expire(srv *zktest.Server, id int64) {
	h.mu.Lock()
	h.expired[id] = true
	h.mu.Unlock()
	srv.Expire(id)
}

// left records a Leave that returned nil: all members of that round and of earlier
// ones have left or know that they have lost their membership.
func (h *history) left(round session.Zxid) {
	time.Sleep(time.Nanosecond) // members that are notified at this moment have been notified then
	h.mu.Lock()
	defer h.mu.Unlock()
	for r, entries := range h.rounds {
		for _, e := range entries {
			if r <= round && e.Context().Err() == nil && !h.expired[e.SessionID()] {
				h.Errorf("round %v was left by all, and one is in round %v", round, r)
			}
		}
	}
}

// Members arrive, give up, leave, and lose connections and sessions at random. Their
// results agree, and in the end no node is left.
func TestRandomHistories(t *testing.T) {
	total := history{}
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			var one sync.Mutex
			intn := func(n int64) int64 {
				one.Lock()
				defer one.Unlock()
				return rnd.Int64N(n)
			}
			upTo := func(d time.Duration) time.Duration { return time.Duration(intn(int64(d))) }
			h := &history{T: t, n: 3, rounds: make(map[session.Zxid][]*barrier.Entry), expired: make(map[int64]bool)}
			srv := zktest.New(t, zktest.WithTick(tick))
			end := time.Now().Add(20 * time.Minute)
			var all sync.WaitGroup
			var sessions []*session.Session
			for range 4 {
				s := srv.Session(t)
				sessions = append(sessions, s)
				all.Go(func() {
					d := barrier.NewDouble(s, path, h.n)
					for time.Now().Before(end) {
						ctx, cancel := context.WithTimeout(t.Context(), upTo(time.Minute))
						e, err := d.Enter(ctx)
						cancel()
						if !h.enter(e, err) {
							time.Sleep(upTo(5 * time.Second))
							continue
						}
						time.Sleep(upTo(10 * time.Second))
						ctx, cancel = context.WithTimeout(t.Context(), upTo(time.Minute))
						err = e.Leave(ctx)
						cancel()
						switch {
						case err == nil:
							h.left(e.Round())
						case !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, barrier.ErrLost):
							t.Errorf("Leave: %v", err)
						}
						time.Sleep(upTo(5 * time.Second))
					}
				})
			}
			for time.Now().Before(end) {
				time.Sleep(upTo(20 * time.Second))
				id := sessions[intn(int64(len(sessions)))].Status().ID
				switch intn(4) {
				case 0:
					h.expire(srv, id)
				case 1:
					heal := srv.Partition(id)
					time.Sleep(upTo(20 * time.Second))
					heal()
				case 2:
					srv.Stop()
					time.Sleep(upTo(3 * time.Second))
					if err := srv.Restart(); err != nil {
						t.Fatal(err)
					}
				case 3:
					srv.Inject(zktest.Rule{Session: id, Nth: 1 + int(intn(10)), Fault: zktest.DropReply})
				}
			}
			all.Wait()
			absent := 0
			for _, entries := range h.rounds {
				absent += h.n - len(entries)
			}
			if absent < h.lost || absent > h.lost+h.unknown {
				t.Errorf("seed %d: %d rounds lack %d members, %d know that they have missed one, and %d that they may have",
					seed, len(h.rounds), absent, h.lost, h.unknown)
			}
			total.lost, total.unknown, total.full, total.gaveUp = total.lost+h.lost, total.unknown+h.unknown, total.full+h.full, total.gaveUp+h.gaveUp
			total.n += len(h.rounds)
			time.Sleep(time.Minute)
			empty(t, srv)
		})
	}
	t.Logf("%d rounds, missed by %d, perhaps by %d; %d were too many, and %d gave up", total.n, total.lost, total.unknown, total.full, total.gaveUp)
	if total.n < 100 || total.lost == 0 || total.full == 0 || total.gaveUp == 0 {
		t.Error("not much has happened")
	}
}
