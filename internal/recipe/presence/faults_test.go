package presence_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/presence"
	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
)

// stands checks that the node exists, is owned by the faulty session, and holds data.
// If that ZooKeeper session has ended, the node may be created with a delay.
func stands(s *faulttable.Run, p *presence.Announcement, data string) {
	s.Helper()
	for {
		token, owner := p.Token()
		got, st, err := s.Healthy.Get(s.Context(), path)
		if !slices.Contains(s.Server.Sessions(), owner) || p.Err() != nil {
			testkit.AwaitErr(s, p, func(err error) bool { next, _ := p.Token(); return err == nil && next > token })
			continue
		}
		if err != nil || string(got) != data || st.Czxid != token || st.EphemeralOwner != s.Faulty.Status().ID {
			s.Errorf("the node holds %q and is owned by 0x%x, want %q and 0x%x (%v)", got, st.EphemeralOwner, data, s.Faulty.Status().ID, err)
		}
		return
	}
}

// Curator's fault 3.6: a registration whose create lost two replies was reported
// as done, and the node did not exist.
func TestFaultsAnnounceUpdateWithdraw(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		p := announce(s, s.Faulty, presence.Node{Data: []byte("one")})
		stands(s, p, "one")
		update(s, p, "two")
		stands(s, p, "two")
		time.Sleep(15 * time.Second) // lost nodes are announced again
		stands(s, p, "two")
		withdraw(s, p)
		wantsAbsence(s, s.Healthy)
		s.Server.ResetRequests()
		time.Sleep(15 * time.Second)
		for _, r := range s.Server.Requests() {
			if r.Op == "create2" || r.Op == "multi" && r.Path == path {
				s.Errorf("%s %s after Withdraw", r.Op, r.Path)
			}
		}
	})
}

// The node of another session is never changed, and ours is created when it has been
// deleted.
func TestFaultsAwait(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		other := announce(s, s.Healthy, presence.Node{Data: []byte("healthy")})
		var all sync.WaitGroup
		all.Go(func() {
			p := announce(s, s.Faulty, presence.Node{Data: []byte("one")})
			stands(s, p, "one")
			withdraw(s, p)
		})
		time.Sleep(2 * time.Second)
		if err := other.Err(); err != nil {
			s.Errorf("the node of the healthy session: %v", err)
		}
		withdraw(s, other)
		all.Wait()
		wantsAbsence(s, s.Healthy)
	})
}

// An Announce whose context ends at any moment leaves nothing.
func TestFaultsAnnounceCanceled(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		for _, after := range []time.Duration{0, 5 * time.Millisecond} {
			remove := s.Server.Inject(delayed)
			ctx, cancel := context.WithTimeout(s.Context(), after)
			p, err := presence.Announce(ctx, s.Faulty, presence.Node{Path: path})
			cancel()
			switch {
			case err == nil:
				withdraw(s, p)
			case !errors.Is(err, context.DeadlineExceeded):
				s.Errorf("Announce: %v", err)
			}
			remove()
		}
		time.Sleep(15 * time.Second)
		wantsAbsence(s, s.Healthy)
	})
}

// An update is concurrent with the loss of the session, and a withdrawal with both.
func TestFaultsAllAtOnce(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		p := announce(s, s.Faulty, presence.Node{Data: []byte("one")})
		var all sync.WaitGroup
		for _, data := range []string{"two", "three"} {
			all.Go(func() {
				if err := p.Update(s.Context(), []byte(data)); err != nil && !errors.Is(err, presence.ErrWithdrawn) {
					s.Errorf("Update: %v", err)
				}
			})
		}
		all.Go(func() {
			if err := p.Withdraw(s.Context()); err != nil {
				s.Errorf("Withdraw: %v", err)
			}
			wantsAbsence(s, s.Healthy)
		})
		all.Wait()
	})
}
