package queue_test

import (
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
		if r := srv.Requests(); len(r) != 1 || r[0].Op != "multi" {
			t.Errorf("Ack sent %v", r)
		}
	})
}
