package lease

import (
	"context"
	"fmt"

	"github.com/zkrecipes/zkrecipes/session"
)

// Settle is Release for a lease whose node goes together with other writes. It
// ends ownership at once; then remove, which runs in the background and must
// return once the epoch has ended, deletes the node in a transaction of its own. If
// remove fails, the node is removed alone.
//
// The error is that of remove, if it comes before ctx ends.
func (l *Lease) Settle(ctx context.Context, remove func() error) error {
	l.Err() // if the clock says that it is lost, that is the cause
	if !l.end(l.terms.Released) {
		return context.Cause(l.ctx)
	}
	result := make(chan error, 1)
	started := l.claim.Epoch.Go(func() {
		err := remove()
		if err == nil {
			close(l.gone)
		} else {
			l.remove()
		}
		result <- err
	})
	if !started {
		close(l.gone) // closing the session removes the node
		return session.ErrClosed
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return &session.OpError{Op: "settle", Path: l.claim.Path,
			Err: fmt.Errorf("%w (it goes on in the background)", context.Cause(ctx))}
	}
}
