package election

import (
	"context"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// Candidate is the leader of an election or a candidate that waits to lead.
type Candidate struct {
	ID      string       // the value of WithID, or the first line of another program's node; "" after Curator's Revoker
	Data    []byte       // published beside the id; nil if there is none
	Token   session.Zxid // the token of its term, also while it waits
	Path    string       // of its node
	Session int64        // the ZooKeeper session that owns the node; 0 for an ownerless node, which stays until it is deleted
	Since   time.Time    // when the node was created, by the clock of a server: a leader may have waited since
	Revoked bool         // was asked to step down; see Term.Revoked
}

func newCandidate(n session.Node) Candidate {
	c := Candidate{Token: n.Stat.Czxid, Path: n.Path, Session: n.Stat.Owner(), Since: n.Stat.Ctime}
	c.ID, c.Data, c.Revoked = decode(n.Data)
	return c
}

// newLeader returns the leader whose node is n.
func newLeader(n session.Node) Leader {
	c := newCandidate(n)
	return Leader{ID: c.ID, Data: c.Data, Token: c.Token, Path: c.Path, Session: c.Session}
}

// Candidates returns the leader, followed by the other candidates in the order in which
// they will lead. With WithFixedNode it returns the leader only: other candidates have no
// node.
//
// It takes two round trips, a listing and a read of all nodes; one with WithFixedNode.
func (e *Election) Candidates(ctx context.Context) ([]Candidate, error) {
	if e.argErr != nil {
		return nil, e.argErr
	}
	nodes, err := e.contest.nodes(ctx)
	if err != nil {
		return nil, err
	}
	var cs []Candidate
	for _, n := range nodes {
		if n.Err != nil {
			return nil, n.Err
		}
		cs = append(cs, newCandidate(n))
	}
	return cs, nil
}
