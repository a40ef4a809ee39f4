package session

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// In a process that was suspended for longer than its session timeout, timers are late. Err
// is right nevertheless: here the goroutine that ends the link at the deadline does not run.
func TestErrAfterTheProcessWasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 10 * time.Second
		l := newConnector(config{Timeout: timeout}).newLink(func(string, error, bool) {})
		l.provers, l.id = 1, 1
		l.proofs.start(timeout, time.Now())
		if err := l.Err(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * timeout)
		if l.ctx.Err() != nil {
			t.Fatal("another goroutine has ended the link")
		}
		if err := l.Err(); !errors.Is(err, ErrExpired) {
			t.Errorf("Err is %v", err)
		}
		if l.ctx.Err() == nil {
			t.Error("the context goes on")
		}
	})
}
