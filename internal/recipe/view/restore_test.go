package view_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The next ZooKeeper session may be connected to a server that lags behind.
func TestSyncsBeforeItReadsInALaterSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		v, err := view.Open(t.Context(), s, "/", view.Options{Depth: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		srv.ResetRequests()
		srv.Expire(s.Status().ID)
		time.Sleep(time.Minute)
		var ops []string
		for _, r := range srv.Requests() {
			ops = append(ops, r.Op)
		}
		synced, read := slices.Index(ops, "sync"), slices.Index(ops, "getChildren2")
		if synced < 0 || read < synced {
			t.Errorf("got %q", ops)
		}
	})
}
