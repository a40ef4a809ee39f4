package queue_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
)

// queueRun is a run in which no item may be lost or taken twice.
type queueRun struct {
	*faulttable.Run
	layout  string
	ours    *queue.Queue[string]
	theirs  *queue.Queue[string]
	mu      sync.Mutex
	pushed  []string // for certain
	unknown []string // may be there or not
	taken   []string
}

// layouts are the layouts that the tables are played for: one that supports
// everything, and one of each other kind.
var layouts = map[string][]queue.Option{
	"native":        nil,
	"curator":       {queue.WithLayout(queue.Curator)},
	"curator locks": {queue.WithLayout(queue.Curator), queue.WithLockPath("/app/locks")},
	"kazoo locking": {queue.WithLayout(queue.KazooLocking)},
}

// play plays f for each of the layouts, with one in oneIn pairs of faults.
func play(t *testing.T, oneIn int, names []string, f func(*queueRun)) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faulttable.Sample(t, oneIn, func(s *faulttable.Run) {
				f(&queueRun{
					Run: s, layout: name,
					ours: texts(s.Faulty, layouts[name]...), theirs: texts(s.Healthy, layouts[name]...),
				})
			})
		})
	}
}

// given pushes vs with the healthy session. It also creates all parents that are
// needed.
func (s *queueRun) given(vs ...string) {
	mustPush(s, s.theirs, "first")
	if s.layout != "curator" {
		mustAck(s, mustClaim(s, s.theirs, "first"))
	} else {
		mustPop(s, s.theirs, "first")
	}
	mustPush(s, s.theirs, vs...)
	s.pushed = append(s.pushed, vs...)
}

// take records that a value was taken, or which values may have been taken.
func (s *queueRun) take(err error, vs ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.taken = append(s.taken, vs...)
	} else if errors.Is(err, session.ErrUnknown) {
		s.unknown = append(s.unknown, vs...)
	}
}

// settled checks that each pushed value was taken once or is in the queue, in
// order.
func (s *queueRun) settled() {
	time.Sleep(15 * time.Second) // sessions have expired, and the background work has ended
	var left []string
	for {
		vs, err := s.theirs.TryPopN(s.Context(), 10)
		if err == queue.ErrEmpty {
			break
		}
		if err != nil {
			s.Fatal(err)
		}
		left = append(left, vs...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Sorted(slices.Values(append(slices.Clone(s.taken), left...)))
	for i, v := range all {
		if i > 0 && v == all[i-1] {
			s.Errorf("%q was there twice; taken %q, left %q", v, s.taken, left)
		}
		if !slices.Contains(s.pushed, v) && !slices.Contains(s.unknown, v) {
			s.Errorf("%q was there and not pushed; taken %q, left %q", v, s.taken, left)
		}
	}
	for _, v := range s.pushed {
		if !slices.Contains(all, v) && !slices.Contains(s.unknown, v) {
			s.Errorf("%q was lost; taken %q, left %q", v, s.taken, left)
		}
	}
	if !slices.IsSorted(left) || !slices.IsSorted(s.taken) {
		s.Errorf("out of order; taken %q, left %q", s.taken, left)
	}
}

func minute(s *queueRun) context.Context { return testkit.Within(s, time.Minute) }

var every = []string{"native", "curator", "curator locks", "kazoo locking"}

// Curator's fault 3.4: a lost reply duplicates an item or loses it.
func TestFaultsPush(t *testing.T) {
	play(t, 1, []string{"native", "curator"}, func(s *queueRun) {
		s.given()
		_, err := s.ours.Push(minute(s), "a")
		s.note(err, "a")
		s.settled()
	})
}

func (s *queueRun) note(err error, vs ...string) {
	switch {
	case err == nil:
		s.pushed = append(s.pushed, vs...)
	case errors.Is(err, session.ErrUnknown):
		s.unknown = append(s.unknown, vs...)
	default:
		s.Errorf("push: %v", err)
	}
}

func TestFaultsPushAll(t *testing.T) {
	play(t, 1, []string{"native"}, func(s *queueRun) {
		s.given()
		ids, err := s.ours.PushAll(minute(s), []string{"a", "b", "c"})
		if err == nil && len(ids) != 3 || err != nil && len(ids) != 0 {
			s.Errorf("PushAll: %q, %v", ids, err)
		}
		s.note(err, "a", "b", "c")
		s.settled()
	})
}

func TestFaultsPushBounded(t *testing.T) {
	play(t, 1, []string{"native"}, func(s *queueRun) {
		s.given()
		q := texts(s.Faulty, queue.WithMaxLen(1))
		_, err := q.Push(minute(s), "a")
		s.note(err, "a")
		if err == nil {
			if _, err := texts(s.Healthy, queue.WithMaxLen(1)).Push(s.Context(), "b"); err != queue.ErrFull {
				s.Errorf("push to a full queue: %v", err)
			}
		}
		s.settled()
	})
}

func TestFaultsPop(t *testing.T) {
	play(t, 5, every, func(s *queueRun) {
		s.given("a", "b")
		v, err := s.ours.Pop(minute(s))
		if err != nil && !errors.Is(err, session.ErrUnknown) {
			s.Errorf("Pop: %v", err)
		}
		if err != nil {
			v = "a"
		}
		s.take(err, v)
		s.settled()
	})
}

func TestFaultsPopN(t *testing.T) {
	play(t, 3, []string{"native"}, func(s *queueRun) {
		s.given("a", "b", "c")
		vs, err := s.ours.PopN(minute(s), 2)
		if err != nil && !errors.Is(err, session.ErrUnknown) || err == nil && len(vs) != 2 {
			s.Errorf("PopN: %q, %v", vs, err)
		}
		if err != nil {
			vs = []string{"a", "b"}
		}
		s.take(err, vs...)
		s.settled()
	})
}

// If the caller returns while an item is being removed, the item is put back at its
// old position, as long as the session lives.
func TestFaultsPopCanceled(t *testing.T) {
	play(t, 3, []string{"native", "curator"}, func(s *queueRun) {
		s.given("a", "b")
		id := s.Faulty.Status().ID
		v, err := s.ours.Pop(testkit.Within(s, 20*time.Millisecond))
		if err == nil {
			s.take(nil, v)
		} else if time.Sleep(20 * time.Second); s.Faulty.Status().ID != id {
			s.take(err, "a")
		}
		s.settled()
	})
}

func TestFaultsPopWaits(t *testing.T) {
	play(t, 5, []string{"native"}, func(s *queueRun) {
		s.given()
		var all sync.WaitGroup
		all.Go(func() {
			v, err := s.ours.Pop(minute(s))
			if err != nil {
				v = "a"
			}
			s.take(err, v)
		})
		time.Sleep(5 * time.Second)
		mustPush(s, s.theirs, "a", "b")
		s.pushed = append(s.pushed, "a", "b")
		all.Wait()
		s.settled()
	})
}

// Claimed items stay until they are acknowledged, and no consumer acknowledges an
// item that another one has claimed.
func TestFaultsClaimAck(t *testing.T) {
	play(t, 17, []string{"native", "kazoo locking"}, func(s *queueRun) {
		s.given("a")
		item, err := s.ours.Claim(minute(s))
		if err != nil && !errors.Is(err, session.ErrUnknown) {
			s.Errorf("Claim: %v", err)
		}
		if err == nil {
			err = item.Ack(minute(s))
			if err != nil && !errors.Is(err, session.ErrUnknown) && !errors.Is(err, queue.ErrLost) {
				s.Errorf("Ack: %v", err)
			}
			s.take(err, item.Value)
		}
		s.settled()
	})
}

func TestFaultsClaimNack(t *testing.T) {
	play(t, 13, []string{"native"}, func(s *queueRun) {
		s.given("a", "b")
		item, err := s.ours.Claim(minute(s))
		if err != nil && !errors.Is(err, session.ErrUnknown) {
			s.Errorf("Claim: %v", err)
		}
		if err == nil {
			err = item.Nack(minute(s))
			if err != nil && !errors.Is(err, session.ErrUnknown) && !errors.Is(err, queue.ErrLost) {
				s.Errorf("Nack: %v", err)
			}
		}
		s.settled()
	})
}

func TestFaultsBury(t *testing.T) {
	play(t, 23, []string{"native"}, func(s *queueRun) {
		s.given("a")
		item, err := s.ours.Claim(minute(s))
		if err == nil {
			err = item.Bury(minute(s), errors.New("reason"))
		}
		time.Sleep(20 * time.Second)
		ls := dead(s, s.theirs)
		switch {
		case err == nil && len(ls) != 1:
			s.Errorf("buried, and there are %v", ls)
		case len(ls) > 0:
			s.take(nil, string(ls[0].Data))
		}
		s.settled()
	})
}

// Curator's fault 3.5: a claim whose reply was lost blocks its item permanently.
func TestFaultsClaimCanceled(t *testing.T) {
	play(t, 23, []string{"curator locks"}, func(s *queueRun) {
		s.given("a")
		item, err := s.ours.Claim(testkit.Within(s, 20*time.Millisecond))
		if err == nil {
			item.Nack(minute(s))
		}
		start := time.Now()
		item, err = s.theirs.Claim(testkit.Within(s, time.Hour))
		if err != nil {
			s.Fatal(err)
		}
		if d := time.Since(start); d > 15*time.Second {
			s.Errorf("the item could be claimed after %v", d)
		}
		s.take(item.Ack(s.Context()), item.Value)
		s.settled()
	})
}
