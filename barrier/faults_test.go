package barrier_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
)

// account is who says what of the rounds.
type account struct {
	*faulttable.Run
	mu            sync.Mutex
	entered       map[session.Zxid]int // how many have entered a round
	lost, unknown int                  // how many were in one, or may have been, and did not enter it
}

func newAccount(s *faulttable.Run) *account {
	if _, _, err := s.Healthy.Create(s.Context(), "/barrier", nil); err != nil {
		s.Fatal(err)
	}
	return &account{Run: s, entered: make(map[session.Zxid]int)}
}

func (a *account) enter(who string, s *session.Session, patience time.Duration) *barrier.Entry {
	ctx, cancel := context.WithTimeout(a.Context(), testkit.Limit)
	defer cancel()
	start := time.Now()
	e, err := barrier.NewDouble(s, "/barrier", 2, barrier.WithID(who)).Enter(ctx)
	if d := time.Since(start); d > patience+time.Second {
		a.Errorf("Enter of %s with a context of %v took %v", who, testkit.Limit, d)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err == nil:
		a.entered[e.Round()]++
	case errors.Is(err, session.ErrUnknown):
		a.unknown++
	case errors.Is(err, barrier.ErrLost):
		a.lost++
	case !errors.Is(err, context.DeadlineExceeded):
		a.Errorf("Enter of %s: %v", who, err)
	}
	return e
}

func (a *account) leave(who string, e *barrier.Entry) {
	if e == nil {
		return
	}
	ctx, cancel := context.WithTimeout(a.Context(), time.Minute)
	defer cancel()
	if err := e.Leave(ctx); err != nil && !errors.Is(err, barrier.ErrLost) {
		a.Errorf("Leave of %s: %v", who, err)
	}
	if e.Err() == nil {
		a.Errorf("%s has left and is in the round", who)
	}
}

// agreed checks that every round has two members, those included who know that
// they have missed it, or may have.
func (a *account) agreed() {
	absent := 0
	for round, members := range a.entered {
		if members > 2 {
			a.Errorf("round %v has %d members", round, members)
		}
		absent += 2 - members
	}
	if absent < a.lost || absent > a.lost+a.unknown {
		a.Errorf("rounds of two were entered by %v, %d know that they missed one, and %d that they may have", a.entered, a.lost, a.unknown)
	}
}

// meet has both enter one round, the one named first a little earlier, and leave
// it, that one a little later.
func meet(s *faulttable.Run, order ...string) {
	a := newAccount(s)
	sessions := map[string]*session.Session{"faulty": s.Faulty, "healthy": s.Healthy}
	var all sync.WaitGroup
	for i, who := range order {
		all.Go(func() {
			time.Sleep(time.Duration(i) * time.Millisecond)
			e := a.enter(who, sessions[who], time.Minute)
			time.Sleep(time.Duration(len(order)-i) * time.Millisecond)
			a.leave(who, e)
		})
	}
	all.Wait()
	a.agreed()
	if a.unknown > 0 || len(a.entered) == 0 {
		s.Errorf("in a minute entered %v, and %d do not know", a.entered, a.unknown)
	}
}

func TestFaultsWait(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) { meet(s, "faulty", "healthy") })
}

func TestFaultsComeLast(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) { meet(s, "healthy", "faulty") })
}

// A member gives up when the other arrives.
func TestFaultsCanceled(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		a := newAccount(s)
		var all sync.WaitGroup
		all.Go(func() { a.leave("faulty", a.enter("faulty", s.Faulty, 100*time.Millisecond)) })
		all.Go(func() {
			time.Sleep(100 * time.Millisecond)
			a.leave("healthy", a.enter("healthy", s.Healthy, time.Second))
		})
		all.Wait()
		a.agreed()
	})
}

// A barrier that is raised has been raised, and one that is lowered releases who
// waits.
func TestFaultsBarrier(t *testing.T) {
	faulttable.Sample(t, 3, func(s *faulttable.Run) {
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		ours, theirs := barrier.New(s.Faulty, "/app/barrier"), barrier.New(s.Healthy, "/app/barrier")
		check := func(what string, err error, up bool) {
			if err != nil && !errors.Is(err, session.ErrUnknown) {
				s.Errorf("%s: %v", what, err)
			}
			if now, lookErr := theirs.Raised(ctx); err == nil && (lookErr != nil || now != up) {
				s.Errorf("%s: it is up: %v (%v)", what, now, lookErr)
			}
		}
		check("Raise", ours.Raise(ctx), true)
		check("Lower", ours.Lower(ctx), false)
		if err := theirs.Raise(ctx); err != nil {
			s.Error(err)
		}
		waited := make(chan error)
		go func() { waited <- ours.Wait(ctx) }()
		time.Sleep(time.Second)
		select {
		case err := <-waited:
			s.Errorf("Wait at a barrier that is up: %v", err)
		default:
		}
		if err := errors.Join(theirs.Lower(ctx), <-waited); err != nil {
			s.Error(err)
		}
	})
}
