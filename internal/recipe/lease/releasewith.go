package lease

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/session"
)

// ReleaseWith is Release for a lease whose node goes together with other writes. It
// calls remove, which deletes the node in a transaction of its own, in the
// background; remove must return once the epoch has ended. If it succeeds,
// ownership has ended. If the server refuses the transaction, ownership goes on,
// and ReleaseWith may be called again. If ownership is lost, or the outcome is unknown,
// it has ended, and the node is removed alone.
//
// The error is that of remove, if it comes before ctx ends.
func (l *Lease) ReleaseWith(ctx context.Context, remove func() error) error {
	select {
	case l.releasing <- struct{}{}: // also if ctx is done
	default:
		select {
		case l.releasing <- struct{}{}:
		case <-ctx.Done():
			return l.checkHeld(ctx)
		}
	}
	l.Err() // if the clock says that it is lost, that is the cause
	if l.ctx.Err() != nil {
		l.removeEarly(ctx)
		<-l.releasing
		return context.Cause(l.ctx)
	}
	result := make(chan error, 1)
	started := l.acquired.Epoch.Go(func() {
		err := remove()
		switch {
		case err == nil:
			if l.end(l.behavior.Released) {
				close(l.gone)
			}
		case !l.endsOwnership(err):
		case l.end(l.behavior.Released):
			l.remove()
		}
		<-l.releasing
		result <- err
	})
	if !started {
		<-l.releasing
		if l.end(l.behavior.Released) {
			close(l.gone) // closing the session removes the node
		}
		return session.ErrClosed
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return l.checkHeld(ctx)
	}
}

func (l *Lease) checkHeld(ctx context.Context) error {
	return &session.OpError{Package: l.acquired.Package, Op: "release", Path: l.acquired.Path,
		Err: fmt.Errorf("%w (it goes on in the background)", context.Cause(ctx))}
}

// endsOwnership reports whether an error of Settle's transaction leaves nothing to own: it
// is not a refusal, which changes nothing.
func (l *Lease) endsOwnership(err error) bool {
	return l.acquired.Epoch.Err() != nil || errors.Is(err, l.behavior.Lost) || errors.Is(err, session.ErrUnknown)
}

// awaitReleaseWith waits until no Settle is under way, so that the node that its
// transaction deletes is not taken for lost.
func (l *Lease) awaitReleaseWith() {
	select {
	case l.releasing <- struct{}{}:
		<-l.releasing
	case <-l.ctx.Done():
	}
}
