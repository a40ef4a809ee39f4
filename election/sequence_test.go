package election_test

import (
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Candidates that all have the last number lead in the order in which they arrived,
// and observers see the leader.
func TestSequenceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		if _, _, err := s.Create(t.Context(), "/election", nil); err != nil {
			t.Fatal(err)
		}
		srv.EndSequenceInBursts("/election", 3)
		terms := make(chan *election.Term)
		ids := []string{"a", "b", "c", "d"}
		for _, id := range ids {
			go func() {
				term, err := election.New(srv.Session(t), "/election", election.WithID(id)).Campaign(t.Context())
				if err != nil {
					t.Error(err)
				}
				terms <- term
			}()
			synctest.Wait()
		}
		for _, id := range ids {
			term := <-terms
			synctest.Wait()
			leader, err := election.New(s, "/election").Leader(t.Context())
			if err != nil || leader.ID != id || leader.Token != term.Token() {
				t.Errorf("the leader is %+v (%v), not %s", leader, err, id)
			}
			if err := term.Resign(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}
