package session

import (
	"context"
	"sync"
)

// TxnDetached is TxnWithReceipt for callers that return when ctx is done. Only recipes
// need it.
//
// If ctx is done after the transaction was sent and before its outcome is known, the
// error is ErrUnknown. The wait then continues in the background, and late, if it is not
// nil, is called with the results or the error of the transaction. If that error is nil,
// the transaction was committed, and the recipe can undo it. ErrUnknown means that the
// outcome cannot be found out; any other error, that the transaction was not committed
// and will not be. late must return when the epoch has ended.
//
// In the cases in which TxnWithReceipt returns ErrUnknown, TxnDetached does too, and may
// call late with that error. After any other error of TxnDetached, for example if ctx
// was done before the transaction was sent, the transaction was not committed and will
// not be, and late is not called.
func (e *Epoch) TxnDetached(ctx context.Context, late func([]Result, error), ops ...Op) ([]Result, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	if err := e.check(ops); err != nil {
		return nil, err
	}
	type outcome struct {
		results []Result
		err     error
	}
	delivered := make(chan outcome)
	doubt, left := make(chan struct{}), make(chan struct{})
	started := e.session.spawn(func() {
		var o outcome
		o.results, o.err = e.commitWithReceipt(ctx, ops, sync.OnceFunc(func() { close(doubt) }))
		if o.err == nil {
			e.session.nameSequential(ctx, ops, o.results)
		}
		o.err = opError(ops[0].name(), ops[0].path, o.err)
		select {
		case delivered <- o:
		case <-left:
			if late != nil {
				late(o.results, o.err)
			}
		}
	})
	if !started {
		return nil, opError(ops[0].name(), ops[0].path, ErrClosed)
	}
	select {
	case o := <-delivered:
		return o.results, o.err
	case <-doubt:
		close(left)
		return nil, opError(ops[0].name(), ops[0].path, unknown(e.conn.Ended(ctx)))
	}
}
