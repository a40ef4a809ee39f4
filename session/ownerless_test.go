package session_test

import (
	"errors"
	"testing"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestBreak(t *testing.T) {
	s := zktest.Open(t).Session(t)
	create := func(path string, opts ...session.CreateOption) session.Stat {
		t.Helper()
		_, st, err := s.Create(t.Context(), path, nil, append(opts, session.Parents())...)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	first := create("/a/left")
	if err := s.Break(t.Context(), "/a", 0); !errors.Is(err, session.ErrNotEmpty) {
		t.Errorf("Break of a node with children: %v", err)
	}
	if err := s.Break(t.Context(), "/a/left", first.Czxid); err != nil {
		t.Error(err)
	}
	if err := s.Break(t.Context(), "/a/left", first.Czxid); !errors.Is(err, session.ErrNoNode) {
		t.Errorf("Break of what is not there: %v", err)
	}
	create("/a/left")
	if err := s.Break(t.Context(), "/a/left", first.Czxid); !errors.Is(err, session.ErrNoNode) {
		t.Errorf("Break of a node that has made way for another: %v", err)
	}
	if err := s.Break(t.Context(), "/a/left", 0); err != nil {
		t.Error(err)
	}
	create("/a/owned", session.Ephemeral())
	if err := s.Break(t.Context(), "/a/owned", 0); !errors.Is(err, session.ErrOwned) {
		t.Errorf("Break of a node that a session owns: %v", err)
	}
	if _, ok, err := s.Exists(t.Context(), "/a/owned"); !ok || err != nil {
		t.Errorf("it is there: %v (%v)", ok, err)
	}
}

// The reply to the delete is lost, and the node does not exist: Break has deleted it.
func TestBreakLosesReply(t *testing.T) {
	srv := zktest.New(t)
	s := srv.Session(t)
	if _, _, err := s.Create(t.Context(), "/left", nil); err != nil {
		t.Fatal(err)
	}
	lost := false
	srv.Fault(func(r zktest.Request) zktest.Fault {
		if r.Op == "delete" && !lost {
			lost = true
			return zktest.DropReply
		}
		return zktest.Pass
	})
	if err := s.Break(t.Context(), "/left", 0); err != nil || !lost {
		t.Errorf("Break: %v", err)
	}
}
