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
	released  chan struct{} // closed by release
	reported  chan struct{} // closed when report has returned
}

// begin starts to report, until release.
func (p *announcement) begin(a *app, s *session.Session) *announcement {
	p.sessionID, p.released, p.reported = s.Status().ID, make(chan struct{}), make(chan struct{})
	go p.report(a)
	return p
}

func (p *announcement) Context() context.Context { return context.Background() }
func (p *announcement) Err() error               { return nil }

// Deadline returns no deadline: nothing is lost when a session expires.
func (p *announcement) Deadline() (time.Time, <-chan struct{}) { return time.Time{}, nil }

func (p *announcement) SessionID() int64 { return p.sessionID }

func (p *announcement) release(ctx context.Context) error {
	close(p.released)
	<-p.reported
	return p.withdraw(ctx)
}

// report prints a notice when the node may not exist, and when it exists again.
func (p *announcement) report(a *app) {
	defer close(p.reported)
	for absent := false; ; {
		changed := p.Changed()
		switch err := p.announcer.Err(); {
		case errors.Is(err, p.withdrawn), errors.Is(err, session.ErrClosed):
			return
		case err != nil && !absent:
			a.notice("%s: not %s: %v", p.name, p.role, err)
			absent = true
		case err == nil && absent:
			a.notice("%s: %s again", p.name, p.role)
			absent = false
		}
		select {
		case <-changed:
		case <-p.released:
			return
		}
	}
}
