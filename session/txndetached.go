package session

import (
	"context"
	"sync"
)

// TxnDetached is TxnWithReceipt for callers who stay no longer than ctx lives. If
// ctx ends when the transaction has been sent and its outcome is not known yet,
// the error is ErrUnknown. The wait then goes on in the background, and late, if
// it is not nil, is called with its result, so that what nobody is there to use can
// be undone. late must return once the epoch has ended.
//
// Any other error, that ctx has ended among them, says that the transaction was
// not carried out and will not be; late is not called then.
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
		return nil, opError(ops[0].name(), ops[0].path, unknown(e.ended(ctx)))
	}
}
