package election_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A campaign that waits for an ownerless node reports it, and wins once the node has
// been deleted.
func TestCampaignAgainstOwnerlessNode(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			told := make(chan error, 10)
			s := zktest.Open(t).Session(t, session.WithHooks(session.Hooks{Blocked: func(err error) { told <- err }}))
			node := path + "/x-latch-0000000000"
			if f.name == "fixed" {
				node = path + "/master"
			}
			if _, _, err := s.Create(t.Context(), node, []byte("by hand"), session.Parents()); err != nil {
				t.Fatal(err)
			}
			e := f.election(s, "ours")
			if l, err := e.Leader(t.Context()); err != nil || l.ID != "by hand" || l.Session != 0 {
				t.Errorf("leader %+v (%v)", l, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			failed := make(chan error)
			go func() {
				_, err := e.Campaign(ctx)
				failed <- err
			}()
			select {
			case <-told:
			case <-time.After(time.Minute):
				t.Fatal("the wait has not reported the node")
			}
			cancel()
			err := <-failed
			if !errors.Is(err, context.Canceled) || !errors.Is(err, session.ErrNoOwner) || !strings.Contains(err.Error(), node) {
				t.Errorf("Campaign: %v", err)
			}
			won := campaigning(t, e)
			if err := s.Break(t.Context(), node, 0); err != nil {
				t.Fatal(err)
			}
			term := <-won
			if l, err := e.Leader(t.Context()); err != nil || l.Session != s.Status().ID {
				t.Errorf("leader %+v (%v)", l, err)
			}
			resign(t, term)
			if len(told) > 0 {
				t.Errorf("told again: %v", <-told)
			}
		})
	}
}
