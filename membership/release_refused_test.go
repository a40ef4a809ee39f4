package membership_test

import (
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Leaving that the server refuses says so, and is retried.
func TestLeaveRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		m, err := membership.New(srv.Session(t), "/group").Join(t.Context(), "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		testkit.ReleaseRefused(t, srv.Session(t), "/group", m.Leave)
	})
}
