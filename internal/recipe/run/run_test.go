package run

import (
	"context"
	"errors"
	"testing"

	"github.com/zkrecipes/zkrecipes/session"
)

// owner is an Owner that was released with an error.
type owner struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	refusal error
}

func newOwner(refusal error) *owner {
	o := &owner{refusal: refusal}
	o.ctx, o.cancel = context.WithCancelCause(context.Background())
	return o
}

var errReleased = errors.New("released")

func (o *owner) Context() context.Context { return o.ctx }
func (o *owner) Err() error               { return context.Cause(o.ctx) }
func (o *owner) Release(ctx context.Context) error {
	if err := o.Err(); err != nil {
		return err
	}
	o.cancel(errReleased)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return o.refusal
}

// If ctx ends during an acquisition that succeeds, the function is not called, and the
// error wraps the cause, joined with a failed release.
func TestEndedWhenAcquired(t *testing.T) {
	enough, refusal := errors.New("enough"), errors.New("refused")
	for _, refused := range []error{nil, refusal} {
		ctx, cancel := context.WithCancelCause(t.Context())
		o := newOwner(refused)
		err := Do(ctx, session.OpError{Package: "p", Op: "do", Path: "/a"}, func(context.Context) (*owner, error) {
			cancel(enough)
			return o, nil
		}, func(context.Context, *owner) error {
			t.Error("the function was called")
			return nil
		})
		var oe *session.OpError
		if !errors.Is(err, enough) || !errors.As(err, &oe) || oe.Package != "p" || errors.Is(err, refusal) != (refused != nil) {
			t.Errorf("Do: %v", err)
		}
		if o.Err() != errReleased {
			t.Errorf("the ownership ended with %v", o.Err())
		}
	}
}

// A loss that the function has returned is not joined a second time.
func TestLossOnce(t *testing.T) {
	lost := session.NewError("lost", session.ErrLost)
	err := While(t.Context(), session.OpError{}, newOwner(nil), func(ctx context.Context, o *owner) error {
		o.cancel(lost)
		<-ctx.Done()
		return context.Cause(ctx)
	})
	if err != lost {
		t.Errorf("error %v", err)
	}
}
