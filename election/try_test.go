package election_test

import (
	"errors"
	"testing"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// TryCampaign leads if there is no leader. Otherwise it fails immediately and leaves
// no node.
func TestTryCampaign(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		a, b := f.election(target.Session(t), "a"), f.election(target.Session(t), "b")
		first, err := a.TryCampaign(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.TryCampaign(t.Context()); !errors.Is(err, election.ErrOtherLeader) {
			t.Fatalf("beside a leader: %v", err)
		}
		if l, err := a.Leader(t.Context()); err != nil || l.ID != "a" {
			t.Errorf("leader %+v, error %v", l, err)
		}
		if err := first.Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
		second, err := b.TryCampaign(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if second.Token() <= first.Token() {
			t.Errorf("token %v after %v", second.Token(), first.Token())
		}
		if err := second.Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// The error names an ownerless node as the reason.
func TestTryCampaignAgainstOwnerlessNode(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		s := zktest.Open(t).Session(t)
		node := path + "/master"
		if f.name == "line" {
			node = path + "/_c_3f2a3a3c-0a3e-4d8e-9d43-6a1c1f0a7b55-latch-0000000000"
		}
		if _, _, err := s.Create(t.Context(), node, []byte("x"), session.Parents()); err != nil {
			t.Fatal(err)
		}
		_, err := f.election(s, "a").TryCampaign(t.Context())
		if !errors.Is(err, election.ErrOtherLeader) || !errors.Is(err, session.ErrNoOwner) {
			t.Errorf("error %v", err)
		}
	})
}

func TestTryCampaignBadInput(t *testing.T) {
	s := zktest.Open(t).Session(t)
	if _, err := election.New(s, "app").TryCampaign(t.Context()); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("bad path: %v", err)
	}
	if _, err := election.New(s, path, election.WithFixedNode("a/b")).TryCampaign(t.Context()); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("bad name of the node: %v", err)
	}
	if _, err := election.New(s, path, election.WithID("")).TryCampaign(t.Context()); !errors.Is(err, election.ErrInvalidID) {
		t.Errorf("bad id: %v", err)
	}
}
