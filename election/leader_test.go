package election_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The only candidate's node is deleted between the listing and the read.
func TestLeaderIsDeletedMeanwhile(t *testing.T) {
	srv := zktest.New(t)
	a, b := srv.Session(t), srv.Session(t)
	if _, err := election.New(a, "/election").Campaign(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := a.Status().ID
	var once sync.Once
	srv.Fault(func(r zktest.Request) zktest.Fault {
		if r.Session != id && r.Op == "getData" && strings.Contains(r.Path, "latch") {
			once.Do(func() { srv.Expire(id) })
		}
		return zktest.Pass
	})
	if leader, err := election.New(b, "/election").Leader(t.Context()); !errors.Is(err, election.ErrNoLeader) {
		t.Errorf("Leader: %+v, %v", leader, err)
	}
}
