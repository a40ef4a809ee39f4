package main

import (
	"context"
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// announcer is what others see for as long as this process lives.
type announcer interface {
	Path() string
	Token() session.Zxid
	Changed() <-chan struct{}
	Err() error
}

// announcement is the grip of a command that is announced. That is not lost as ownership
// is: it comes back by itself.
type announcement struct {
	announcer
	name      string // by which it is known
	role      string // what it is announced as: "a member"
	withdraw  func(context.Context) error
	withdrawn error // what Err is once it has been withdrawn

	sessionID int64         // of the session at the beginning
	released  chan struct{} // closed by release
	reported  chan struct{} // closed when nothing is reported any more
}

// begin reports from now on until release.
func (p *announcement) begin(a *app, s *session.Session) *announcement {
	p.sessionID, p.released, p.reported = s.Status().ID, make(chan struct{}), make(chan struct{})
	go p.report(a)
	return p
}

func (p *announcement) Context() context.Context { return context.Background() }
func (p *announcement) Err() error               { return nil }

// Deadline never comes.
func (p *announcement) Deadline() (time.Time, <-chan struct{}) { return time.Time{}, nil }

func (p *announcement) SessionID() int64 { return p.sessionID }

func (p *announcement) release(ctx context.Context) error {
	close(p.released)
	<-p.reported
	return p.withdraw(ctx)
}

// report tells people when the others do not see what is announced, and when they do
// again.
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
