package testkit

import (
	"testing"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// CallbackSession is a session that calls a function when it has received a certain reply,
// so that something can happen between two requests of a call.
type CallbackSession struct {
	*session.Session
	left int
	f    func()
}

// NewCallbackSession connects to srv.
func NewCallbackSession(t testing.TB, srv *zktest.Server) *CallbackSession {
	c := &CallbackSession{}
	c.Session = srv.Session(t, session.WithHooks(session.Hooks{Request: func(session.RequestInfo) {
		if c.f == nil {
			return
		}
		if c.left--; c.left == 0 {
			c.f()
		}
	}}))
	return c
}

// AtReply makes the session call f at the n-th reply from now. A nil f cancels the call.
// The session must not have a request in flight.
func (c *CallbackSession) AtReply(n int, f func()) { c.left, c.f = n, f }

// Called returns true if the function of AtReply was called.
func (c *CallbackSession) Called() bool { return c.left <= 0 }
