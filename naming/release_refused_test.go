package naming_test

import (
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A release that the server refuses says so, and is retried.
func TestSlotReleaseRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		slot := mustAcquire(t, naming.NewSlots(srv.Session(t), "/slots", 1))
		testkit.ReleaseRefused(t, srv.Session(t), "/slots", slot.Release)
	})
}
