package session

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A process that was stopped for longer than its session finds its timers late. Err
// tells the truth all the same: here the goroutine that ends the epoch at the deadline
// does not run at all.
func TestErrAfterTheProcessWasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, err := newOptions(nil)
		if err != nil {
			t.Fatal(err)
		}
		s := &Session{opts: o, servers: []string{"none"}, statuses: newStatusHistory(Status{})}
		e := s.renew(1)
		e.provers, e.link.id = 1, 1
		e.link.proofs.start(o.timeout, time.Now())
		if err := e.Err(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * o.timeout)
		if e.ctx.Err() != nil {
			t.Fatal("somebody has ended the epoch")
		}
		if err := e.Err(); !errors.Is(err, ErrExpired) {
			t.Errorf("Err is %v", err)
		}
		if e.ctx.Err() == nil {
			t.Error("the context goes on")
		}
	})
}
