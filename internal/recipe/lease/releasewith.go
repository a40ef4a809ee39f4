package lease

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/session"
)

// ReleaseWith is Release for a lease whose node is deleted together with other
// writes. It calls remove in the background, which deletes the node in a
// transaction. remove must return once the epoch has ended.
//
// If remove succeeds, ownership has ended. If the server refuses the transaction,
// ownership continues, and ReleaseWith may be called again. If ownership is lost or
// the outcome is unknown, ownership has ended, and the node is deleted without the
// other writes.
//
// ReleaseWith returns the error of remove, unless ctx is done before.
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
	l.Err() // notes a loss at the deadline first, so that it is the cause
	if l.ctx.Err() != nil {
		l.deleteEarly(ctx)
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
			l.deleteNodes()
		}
		<-l.releasing
		result <- err
	})
	if !started {
		<-l.releasing
		if l.end(l.behavior.Released) {
			close(l.gone) // closing the session deletes the node
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
		Err: fmt.Errorf("%w (the release continues in the background)", context.Cause(ctx))}
}

// endsOwnership reports whether an error of ReleaseWith's transaction ends
// ownership. A refusal does not, because it changes nothing.
func (l *Lease) endsOwnership(err error) bool {
	return l.acquired.Epoch.Err() != nil || errors.Is(err, l.behavior.Lost) || errors.Is(err, session.ErrUnknown)
}

// awaitReleaseWith waits until no ReleaseWith is running, so that the deletion of
// the node by its transaction is not taken for a loss.
func (l *Lease) awaitReleaseWith() {
	select {
	case l.releasing <- struct{}{}:
		<-l.releasing
	case <-l.ctx.Done():
	}
}
