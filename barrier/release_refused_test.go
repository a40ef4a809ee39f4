package barrier_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Leaving that the server refuses says so, and is retried.
func TestLeaveRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		entry, err := barrier.NewDouble(s, "/barrier", 1).Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		allow := testkit.ForbidDelete(t, other, "/barrier")
		if err := entry.Leave(t.Context()); !errors.Is(err, session.ErrNoAuth) {
			t.Errorf("Leave: %v", err)
		}
		allow()
		time.Sleep(testkit.LongestRefusal)
		if _, exists, err := other.Exists(context.Background(), entry.Path()); exists || err != nil {
			t.Errorf("the member's node is still there (%v)", err)
		}
	})
}
