package tasks_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The requests of Submit, an attempt and Wait, as docs/guarantees.md states them.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		client, worker := srv.Session(t), srv.Session(t)
		sent := func(s *session.Session) string {
			var ops []string
			for _, r := range srv.Requests() {
				// A claim's watch is set and removed in the background.
				if r.Session == s.Status().ID && r.Op != "exists" && r.Op != "removeWatches" {
					ops = append(ops, r.Op)
				}
			}
			return strings.Join(ops, " ")
		}
		p := texts(client)
		defer leading(t, texts(srv.Session(t)))()
		defer working(t, texts(worker), "w1", echo)()
		wants(t, submit(t, p, "first"), "first!") // creates the pool's nodes and the receipts
		settle()
		srv.ResetRequests()
		k := submit(t, p, "x")
		if got := sent(client); got != "multi" {
			t.Errorf("Submit sent %s", got)
		}
		settle()
		if got := sent(worker); !strings.Contains(got, "getData getData getData getData multi multi") || strings.Count(got, "multi") != 2 {
			t.Errorf("the worker sent %s", got)
		}
		srv.ResetRequests()
		wants(t, k, "x!")
		if got := sent(client); got != "getChildren2 getData getData" {
			t.Errorf("Wait sent %s", got)
		}
	})
}
