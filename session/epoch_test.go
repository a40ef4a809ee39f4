package session_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Epoch fails if the context is done, also if its cause is an ErrExpired of another
// session: callers that retry in each epoch would otherwise retry permanently.
func TestEpochWithEndedContext(t *testing.T) {
	s := zktest.New(t).Session(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("another session: %w", session.ErrExpired))
	if e, err := s.Epoch(ctx); e != nil || !errors.Is(err, session.ErrExpired) || err.Error() != "another session: session: expired" {
		t.Errorf("Epoch: %v, %v", e, err)
	}
}
