package session

import (
	"context"
	"fmt"
	"time"
)

// WithSurvivedOutage sets the longest outage that a holder with a stop time must survive
// without losing what it owns. The default is a quarter of the granted session timeout.
//
// A shorter outage allows a longer stop time (see Session.MaxStopTime); ownership is then
// lost in outages that last longer until the client is connected again. The option has
// no effect on holders without a stop time.
func WithSurvivedOutage(d time.Duration) Option {
	return func(o *options) {
		if d <= 0 {
			o.refuse("survived outage %v", d)
		}
		o.conn.Outage = d
	}
}

// WithSteadyProofs makes the session send proofs also while it is idle, as often as
// holders with a stop time of up to d need. Without it, the first acquisition with a stop
// time after the session was idle takes a quarter of the session timeout longer.
//
// It costs one transaction without effect every 1/4 to 1/16 of the timeout.
func WithSteadyProofs(d time.Duration) Option {
	return func(o *options) {
		if d < 0 {
			o.refuse("steady proofs for a stop time of %v", d)
		}
		o.conn.Steady, o.conn.SteadyStop = true, d
	}
}

// MaxStopTime returns the longest stop time that is possible with the session timeout
// that the server granted: about a third of the timeout. See WithStopTime of each recipe.
func (s *Session) MaxStopTime() time.Duration { return s.opts.conn.MaxStopTime(s.Timeout()) }

// CheckStopTime returns an error that wraps ErrInvalid if the session timeout that the
// server granted does not allow the stop time. Only recipes need it. It sends nothing.
func (e *Epoch) CheckStopTime(path string, stop time.Duration) error {
	if stop == 0 {
		return nil
	}
	timeout, cfg := e.conn.Timeout(), &e.session.opts.conn
	switch most := cfg.MaxStopTime(timeout); {
	case stop < 0:
		return opError("own", path, fmt.Errorf("%w: a stop time of %v", ErrInvalid, stop))
	case stop > most:
		return opError("own", path, fmt.Errorf("%w: a stop time of %v, and the session timeout of %v allows at most %v; a session timeout of %v would allow it",
			ErrInvalid, stop, timeout, most, cfg.TimeoutFor(stop)))
	}
	return nil
}

// KeepProvingFor is KeepProving for an owner with a stop time, which CheckStopTime must
// allow. Until release is called, the session sends proofs as often as the stop time
// needs. Ownership may begin when AwaitStopTime has returned. Only recipes need it.
func (e *Epoch) KeepProvingFor(ctx context.Context, stop time.Duration) (release func(), err error) {
	return e.conn.KeepProvingFor(ctx, stop)
}

// AwaitStopTime blocks until an owner with the stop time would survive an outage that
// begins now. If the session has sent proofs often enough, it returns immediately. The
// caller must have called KeepProvingFor and not its release. Only recipes need it.
func (e *Epoch) AwaitStopTime(ctx context.Context, stop time.Duration) error {
	return e.conn.AwaitStopTime(ctx, stop)
}
