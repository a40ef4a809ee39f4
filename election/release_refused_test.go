package election_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// If the server refuses a resignation, the error reports it, and the deletion is
// retried.
func TestResignRefused(t *testing.T) {
	for name, opts := range map[string][]election.Option{"line": nil, "fixed": {election.WithFixedNode("master")}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				term, err := election.New(srv.Session(t), "/election", opts...).Campaign(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				testkit.ReleaseRefused(t, srv.Session(t), "/election", term.Resign)
			})
		})
	}
}

// Run returns the refusal joined with the result of its function.
func TestRunReturnsRefusedResignation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t).Session(t)
		result := errors.New("result")
		err := election.New(s, "/election").Run(t.Context(), func(context.Context, *election.Term) error {
			testkit.ForbidDelete(t, s, "/election")
			return result
		})
		if !errors.Is(err, result) || !errors.Is(err, session.ErrNoAuth) {
			t.Errorf("Run: %v", err)
		}
	})
}
