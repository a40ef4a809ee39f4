package main

import (
	"context"
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// announcer is the handle of a membership or registration.
type announcer interface {
	Path() string
	Token() session.Zxid
	Changed() <-chan struct{}
	Err() error
}

// announcement is the ownership of an announced node, a member or an instance. It is not
// lost with its session: the node is created again in the next one.
type announcement struct {
	announcer
	name      string // for notices
	role      string // "a member" or "registered"
	withdraw  func(context.Context) error
	withdrawn error // the error of Err after withdraw

	sessionID int64         // the first session
	released  chan struct{} // closed by Release
	reported  chan struct{} // closed when report has returned
}

// start starts to report changes until Release.
func (n *announcement) start(a *app, s *session.Session) *announcement {
	n.sessionID, n.released, n.reported = s.Status().ID, make(chan struct{}), make(chan struct{})
	go n.report(a)
	return n
}

func (n *announcement) Context() context.Context { return context.Background() }
func (n *announcement) Err() error               { return nil }

// Deadline returns no deadline: nothing is lost when a session expires.
func (n *announcement) Deadline() (time.Time, <-chan struct{}) { return time.Time{}, nil }

func (n *announcement) SessionID() int64 { return n.sessionID }

func (n *announcement) Release(ctx context.Context) error {
	close(n.released)
	<-n.reported
	return n.withdraw(ctx)
}

// report prints a notice when the node may not exist, and when it exists again.
func (n *announcement) report(a *app) {
	defer close(n.reported)
	for absent := false; ; {
		changed := n.Changed()
		switch err := n.announcer.Err(); {
		case errors.Is(err, n.withdrawn), errors.Is(err, session.ErrClosed):
			return
		case err != nil && !absent:
			a.notice("%s: not %s: %v", n.name, n.role, err)
			absent = true
		case err == nil && absent:
			a.notice("%s: %s again", n.name, n.role)
			absent = false
		}
		select {
		case <-changed:
		case <-n.released:
			return
		}
	}
}
