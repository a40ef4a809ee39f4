package main

import (
	"context"
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// announced is what others see for as long as this process lives.
type announced interface {
	Path() string
	Token() session.Zxid
	Changed() <-chan struct{}
	Err() error
}

// present is the grip of a command that is announced. That is not lost as ownership
// is: it comes back by itself.
type present struct {
	announced
	name     string // by which it is known
	as       string // what it is announced as: "a member"
	withdraw func(context.Context) error
	over     error // what Err is once it has been withdrawn

	id    int64         // of the session at the beginning
	left  chan struct{} // closed by release
	quiet chan struct{} // closed when nothing is reported any more
}

// begin reports from now on until release.
func (p *present) begin(a *app, s *session.Session) *present {
	p.id, p.left, p.quiet = s.Status().ID, make(chan struct{}), make(chan struct{})
	go p.report(a)
	return p
}

func (p *present) Context() context.Context { return context.Background() }
func (p *present) Err() error               { return nil }

// Deadline never comes.
func (p *present) Deadline() (time.Time, <-chan struct{}) { return time.Time{}, nil }

func (p *present) SessionID() int64 { return p.id }

func (p *present) release(ctx context.Context) error {
	close(p.left)
	<-p.quiet
	return p.withdraw(ctx)
}

// report tells people when the others do not see what is announced, and when they do
// again.
func (p *present) report(a *app) {
	defer close(p.quiet)
	for absent := false; ; {
		changed := p.Changed()
		switch err := p.announced.Err(); {
		case errors.Is(err, p.over), errors.Is(err, session.ErrClosed):
			return
		case err != nil && !absent:
			a.notice("%s: not %s: %v", p.name, p.as, err)
			absent = true
		case err == nil && absent:
			a.notice("%s: %s again", p.name, p.as)
			absent = false
		}
		select {
		case <-changed:
		case <-p.left:
			return
		}
	}
}
