// Package run calls a function while something is owned.
package run

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/session"
)

// Owner is the part of session.Ownership that the package needs.
type Owner interface {
	Context() context.Context
	Err() error
	Release(context.Context) error
}

// Do acquires, calls fn as While does, and releases.
func Do[O Owner](ctx context.Context, op session.OpError, acquire func(context.Context) (O, error), fn func(context.Context, O) error) error {
	if err := Check(op, fn == nil); err != nil {
		return err
	}
	o, err := acquire(ctx)
	if err != nil {
		return err
	}
	return While(ctx, op, o, fn)
}

// Check returns an error if the function is nil.
func Check(op session.OpError, absent bool) error {
	if op.Err = args.NotNil("the function", absent); op.Err == nil {
		return nil
	}
	return &op
}

// While calls fn and then releases o, also if ctx has ended or fn panics. The context
// passed to fn is canceled when ctx is done and when o has ended.
//
// If ctx is done before, fn is not called, and the error wraps context.Cause(ctx).
// Otherwise While returns the result of fn. In both cases the error is joined with a
// loss and with a failed release. If fn has released o itself, that is not an error.
func While[O Owner](ctx context.Context, op session.OpError, o O, fn func(context.Context, O) error) (err error) {
	defer func() {
		rerr := o.Release(context.WithoutCancel(ctx))
		released := errors.Is(o.Err(), rerr) && !errors.Is(rerr, session.ErrLost)
		if rerr != nil && !released && !errors.Is(err, rerr) {
			err = errors.Join(err, rerr)
		}
	}()
	if ctx.Err() != nil {
		op.Err = context.Cause(ctx)
		return &op
	}
	fctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(o.Context(), func() { cancel(o.Err()) })()
	return fn(fctx, o)
}
