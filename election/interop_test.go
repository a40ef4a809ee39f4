//go:build interop

package election_test

import (
	"testing"

	"github.com/zkrecipes/zkrecipes/election"
	interop "github.com/zkrecipes/zkrecipes/internal/test/foreign" // fixed_test.go declares foreign
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
)

// Candidates of this library and LeaderLatches of Curator lead in turn, and see each other.
func TestLeaderLatch(t *testing.T) {
	program := interop.Compile(t, "testdata/interop/Latch.java")
	interop.EachServer(t, func(t *testing.T, s *session.Session, servers string) {
		latch := program.Start(t, servers, path)
		ours := func(id string) *election.Election { return election.New(s, path, election.WithID(id)) }
		wantsCandidates := func(ids ...string) []election.Candidate {
			t.Helper()
			testkit.AwaitChildren(t, s, path, len(ids))
			cs := candidates(t, ours("viewer"))
			for i, c := range cs {
				if i >= len(ids) || c.ID != ids[i] {
					t.Fatalf("candidates %+v, want %q", cs, ids)
				}
			}
			return cs
		}

		term := campaign(t, ours("a"))
		latch.Wants("start x", "ok")
		wantsCandidates("a", "x")
		next := campaigning(t, ours("b"))
		wantsCandidates("a", "x", "b")
		latch.Wants("leader", "a")
		latch.Wants("participants", "a (leader) x b")
		latch.Wants("await x 1", "false")

		resign(t, term) // from this library to Curator
		latch.Wants("await x 60000", "true")
		latch.Wants("leader", "x")
		if l, err := leader(t, s, ours("viewer")); err != nil || l.ID != "x" || l.Data != nil {
			t.Errorf("the leader is %+v (%v)", l, err)
		}
		select {
		case <-next:
			t.Fatal("b leads beside x")
		default:
		}

		latch.Wants("close x", "ok") // from Curator to this library
		term = <-next
		latch.Wants("leader", "b")

		// A request changes what Curator shows as the id of that candidate only.
		next = campaigning(t, ours("c"))
		wantsCandidates("b", "c")
		latch.Wants("start y", "ok")
		asked := wantsCandidates("b", "c", "y")
		stepDown(t, ours("viewer"))
		<-term.Revoked()
		latch.Wants("participants", "b|__REVOKE__ (leader) c y")
		resign(t, term)
		term = <-next
		latch.Wants("participants", "c (leader) y")
		notRevoked(t, "c", term)

		// A LeaderLatch ignores a request, and leads.
		stepDown(t, ours("viewer"), asked[2])
		resign(t, term)
		latch.Wants("await y 60000", "true")
		if cs := wantsCandidates("y"); !cs[0].Revoked {
			t.Errorf("%+v", cs)
		}
		latch.Wants("close y", "ok")
		testkit.AwaitChildren(t, s, path, 0)
	})
}
