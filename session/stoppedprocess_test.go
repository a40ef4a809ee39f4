package session

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// In a process that was suspended for longer than its session timeout, timers are late. Err
// is right nevertheless: here the goroutine that ends the epoch at the deadline does not run.
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
			t.Fatal("another goroutine has ended the epoch")
		}
		if err := e.Err(); !errors.Is(err, ErrExpired) {
			t.Errorf("Err is %v", err)
		}
		if e.ctx.Err() == nil {
			t.Error("the context goes on")
		}
	})
}
