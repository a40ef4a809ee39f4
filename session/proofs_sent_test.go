package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A proof counts from when it was sent, however long its reply takes: the server may have
// received nothing from the session after that.
func TestProofCountsFromWhenItWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		sent := make(map[time.Time]bool)
		z := open(t, s, session.WithHooks(session.Hooks{Request: func(r session.RequestInfo) {
			sent[time.Now().Add(-r.Duration)] = true // from the goroutine that moves the deadline
		}}))
		s.Inject(zktest.Rule{Op: "multi", Delay: timeout / 20})
		e := epoch(t, z)
		time.Sleep(5 * timeout)
		hold(t, e)
		for range 20 {
			_, moved := e.Deadline()
			select {
			case <-moved:
			case <-time.After(timeout):
				t.Fatalf("the deadline has not moved for %v", timeout)
			}
			synctest.Wait()
			deadline, _ := e.Deadline()
			if confirmed := deadline.Add(-timeout * 9 / 10); !sent[confirmed] {
				t.Errorf("the deadline counts from %v before the answer, when nothing was sent", time.Since(confirmed))
			}
		}
	})
}
