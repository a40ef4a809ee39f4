package election_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/session"
)

// lead campaigns, leads for a second, proclaims, and resigns.
func lead(s *faulttable.Run, who string, sess *session.Session, opts ...election.Option) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	opts = append(opts, election.WithID(who))
	t, err := election.New(sess, "/app/election", opts...).Campaign(ctx)
	if err != nil {
		s.Errorf("Campaign of %s: %v", who, err)
		return
	}
	s.Owners.Begin(who, t.Token(), t.Context())
	switch err := t.Proclaim(ctx, []byte("here")); {
	case err == nil:
		proclaimed(s, who, t)
	case !errors.Is(err, election.ErrLost):
		s.Errorf("Proclaim of %s: %v", who, err)
	}
	select {
	case <-time.After(time.Second):
	case <-t.Context().Done():
	}
	if err := t.Resign(ctx); err != nil && !errors.Is(err, election.ErrLost) {
		s.Errorf("Resign of %s: %v", who, err)
	}
	if t.Err() == nil {
		s.Errorf("%s leads after it has resigned", who)
	}
}

// proclaimed checks that the data that Proclaim has confirmed is in the node while the
// term lasts.
func proclaimed(s *faulttable.Run, who string, t *election.Term) {
	data, st, err := s.Healthy.Get(s.Context(), t.Path())
	if err == nil && st.Czxid == t.Token() && string(data) != who+"\nhere" {
		s.Errorf("%s proclaimed, and its node holds %q", who, data)
	}
}

func playCampaign(t *testing.T, opts ...election.Option) {
	faulttable.Test(t, func(s *faulttable.Run) {
		var all sync.WaitGroup
		all.Go(func() { lead(s, "healthy", s.Healthy, opts...) })
		time.Sleep(time.Millisecond)
		all.Go(func() { lead(s, "faulty", s.Faulty, opts...) })
		time.Sleep(time.Millisecond)
		all.Go(func() { lead(s, "healthy", s.Healthy, opts...) })
		all.Wait()
	})
}

func TestFaultsCampaign(t *testing.T)      { playCampaign(t) }
func TestFaultsCampaignFixed(t *testing.T) { playCampaign(t, election.WithFixedNode("master")) }

// Two campaigns of one session must not mistake each other's node for their own.
func TestFaultsCampaignTwice(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		var all sync.WaitGroup
		all.Go(func() { lead(s, "faulty", s.Faulty, fixed.opts...) })
		time.Sleep(time.Millisecond)
		all.Go(func() { lead(s, "second faulty", s.Faulty, fixed.opts...) })
		all.Wait()
	})
}

func TestFaultsCampaignCanceled(t *testing.T) {
	for _, opts := range [][]election.Option{nil, {election.WithFixedNode("master")}} {
		faulttable.Test(t, func(s *faulttable.Run) {
			var rival sync.WaitGroup
			rival.Go(func() { lead(s, "healthy", s.Healthy, opts...) })
			time.Sleep(time.Millisecond)
			ctx, cancel := context.WithTimeout(s.Context(), 100*time.Millisecond)
			defer cancel()
			e := election.New(s.Faulty, "/app/election", opts...)
			if _, err := e.Campaign(ctx); !errors.Is(err, context.DeadlineExceeded) {
				s.Errorf("Campaign: %v", err)
			}
			rival.Wait()
		})
	}
}
