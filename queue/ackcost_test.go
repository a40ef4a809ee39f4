package queue_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// Ack takes one transaction, which deletes the item and its claim.
func TestAckRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		q := texts(srv.Session(t))
		mustPush(t, q, "1", "2")
		mustAck(t, mustClaim(t, q, "1")) // creates the receipt
		item := mustClaim(t, q, "2")
		synctest.Wait()
		srv.ResetRequests()
		mustAck(t, item)
		var ops []string
		for _, r := range srv.Requests() {
			if r.Op != "removeWatches" { // the claim's, in the background
				ops = append(ops, r.Op)
			}
		}
		if !slices.Equal(ops, []string{"multi"}) {
			t.Errorf("Ack sent %v", ops)
		}
	})
}
