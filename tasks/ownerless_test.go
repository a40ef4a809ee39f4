package tasks_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A master that waits for an ownerless node reports this.
func TestMasterAgainstOwnerlessNode(t *testing.T) {
	reported := make(chan error, 10)
	s := zktest.Open(t).Session(t, session.WithHooks(session.Hooks{Blocked: func(err error) { reported <- err }}))
	if _, _, err := s.Create(t.Context(), "/pool/master", nil, session.Parents()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- tasks.New(s, "/pool", codec.Text(), codec.Text()).Master(ctx) }()
	select {
	case <-reported:
	case <-time.After(time.Minute):
		t.Fatal("the wait has not reported the node")
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || !errors.Is(err, session.ErrNoOwner) {
		t.Errorf("Master: %v", err)
	}
}
