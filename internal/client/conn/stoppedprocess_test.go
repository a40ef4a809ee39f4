package conn

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// In a process that was suspended for longer than its session timeout, timers are late. Err
// is right nevertheless: here the goroutine that ends the Conn at the deadline does not run.
func TestErrAfterTheProcessWasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 10 * time.Second
		cc := NewConnector(Config{Timeout: timeout}).NewConn(func(string, error, bool) {})
		cc.provers, cc.id = 1, 1
		cc.proofs.start(timeout, time.Now())
		if err := cc.Err(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * timeout)
		if cc.ctx.Err() != nil {
			t.Fatal("another goroutine has ended the Conn")
		}
		if err := cc.Err(); !errors.Is(err, ErrExpired) {
			t.Errorf("Err is %v", err)
		}
		if cc.ctx.Err() == nil {
			t.Error("the context goes on")
		}
	})
}
