package lease

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/session"
)

// Settle is Release for a lease whose node goes together with other writes. It
// calls remove, which deletes the node in a transaction of its own, in the
// background; remove must return once the epoch has ended. If it succeeds,
// ownership has ended. If the server refuses the transaction, ownership goes on,
// and Settle may be called again. If ownership is lost, or the outcome is unknown,
// it has ended, and the node is removed alone.
//
// The error is that of remove, if it comes before ctx ends.
func (l *Lease) Settle(ctx context.Context, remove func() error) error {
	select {
	case l.settling <- struct{}{}: // also if ctx is done
	default:
		select {
		case l.settling <- struct{}{}:
		case <-ctx.Done():
			return l.unsettled(ctx)
		}
	}
	l.Err() // if the clock says that it is lost, that is the cause
	if l.ctx.Err() != nil {
		l.letGo(ctx)
		<-l.settling
		return context.Cause(l.ctx)
	}
	result := make(chan error, 1)
	started := l.claim.Epoch.Go(func() {
		err := remove()
		switch {
		case err == nil:
			if l.end(l.terms.Released) {
				close(l.gone)
			}
		case !l.ends(err):
		case l.end(l.terms.Released):
			l.remove()
		}
		<-l.settling
		result <- err
	})
	if !started {
		<-l.settling
		if l.end(l.terms.Released) {
			close(l.gone) // closing the session removes the node
		}
		return session.ErrClosed
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return l.unsettled(ctx)
	}
}

func (l *Lease) unsettled(ctx context.Context) error {
	return &session.OpError{Op: "settle", Path: l.claim.Path,
		Err: fmt.Errorf("%w (it goes on in the background)", context.Cause(ctx))}
}

// ends reports whether an error of Settle's transaction leaves nothing to own: it
// is not a refusal, which changes nothing.
func (l *Lease) ends(err error) bool {
	return l.claim.Epoch.Err() != nil || errors.Is(err, l.terms.Lost) || errors.Is(err, session.ErrUnknown)
}

// settled waits until no Settle is under way, so that the node that its
// transaction deletes is not taken for lost.
func (l *Lease) settled() {
	select {
	case l.settling <- struct{}{}:
		<-l.settling
	case <-l.ctx.Done():
	}
}
