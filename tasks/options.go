package tasks

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/identity"
	"github.com/zkrecipes/zkrecipes/session"
)

// Option changes a pool.
type Option func(*options)

type options struct {
	address     string
	maxAttempts int
}

// WorkOption changes a call of Work.
type WorkOption func(*workOptions)

type workOptions struct {
	concurrency int
	retryAfter  func(attempt int) time.Duration
	stopTime    time.Duration
}

// MasterOption changes a call of Master.
type MasterOption func(*masterOptions)

type masterOptions struct {
	strategy Strategy
	keep     int
	keepFor  time.Duration
}

// WithAddress says what a worker's and the master's node hold, for people and for
// programs that want to reach them. The default is host:pid.
func WithAddress(address string) Option { return func(o *options) { o.address = address } }

// WithConcurrency is how many tasks Work carries out at a time; the default is 1. The
// master assigns no more than that to it.
func WithConcurrency(n int) WorkOption { return func(o *workOptions) { o.concurrency = n } }

// WithMaxAttempts is how often a task is tried before it has failed; the default is 3.
// An attempt counts when its handler returns an error, and when its worker dies or
// loses its claim in the middle. Give all workers and masters the same n.
func WithMaxAttempts(n int) Option { return func(o *options) { o.maxAttempts = n } }

// WithRetryAfter says how long to wait after a failed attempt, the first of which is 1,
// before the task is assigned again. The default is a second after the first, twice
// as long after each further one, up to a minute, and a random part of it less. A
// task whose worker has died is assigned again at once.
func WithRetryAfter(f func(attempt int) time.Duration) WorkOption {
	return func(o *workOptions) { o.retryAfter = f }
}

// WithStrategy says which worker the master gives a task to; the default is LeastLoaded.
func WithStrategy(s Strategy) MasterOption { return func(o *masterOptions) { o.strategy = s } }

// WithRetention says how many finished tasks the master leaves, and for how long; it removes
// the oldest. The times are those of the servers' clock.
// The default is 10,000 tasks for a day.
func WithRetention(n int, d time.Duration) MasterOption {
	return func(o *masterOptions) { o.keep, o.keepFor = n, d }
}

// WithStopTime ends a worker's claim d before its deadline, so that the handler can
// finish stopping before the session can end on the server: from then on the handler's
// context is done, and the claim's node stays until the handler has returned or d has passed, also if the
// connection recovers in between, so that nobody else owns meanwhile. There is no
// such time if somebody removes the node, if a server ends the session, and when the
// session is closed: that ends ownership at once.
//
// The longest d is Session.MaxStopTime, about a third of the session timeout that
// the server has granted; a longer one is refused with session.ErrInvalid. Outages
// of a quarter of the timeout are survived all the same, for which the session
// proves itself up to four times as often. After a rest, a first task takes a
// quarter of the timeout longer; see session.WithSteadyProofs.
func WithStopTime(d time.Duration) WorkOption { return func(o *workOptions) { o.stopTime = d } }

func newOptions(opts []Option) options {
	o := options{address: identity.Default(), maxAttempts: 3}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

func newWorkOptions(opts []WorkOption) (workOptions, error) {
	o := workOptions{concurrency: 1, retryAfter: defaultRetryAfter}
	for _, opt := range opts {
		opt(&o)
	}
	return o, cmp.Or(args.AtLeast(1, "the concurrency", o.concurrency), args.NotNil("the function of WithRetryAfter", o.retryAfter == nil))
}

func newMasterOptions(opts []MasterOption) (masterOptions, error) {
	o := masterOptions{strategy: LeastLoaded(), keep: 10_000, keepFor: 24 * time.Hour}
	for _, opt := range opts {
		opt(&o)
	}
	var err error
	if o.keepFor < 0 {
		err = args.Invalid("finished tasks are kept for %v", o.keepFor)
	}
	return o, cmp.Or(args.NotNil("the strategy", o.strategy.pick == nil), args.AtLeast(0, "the number of finished tasks to keep", o.keep), err)
}

// checkID refuses what cannot name a worker.
func checkID(id string) error {
	if id == "" || strings.Contains(id, "/") {
		return fmt.Errorf("%w: the id %q", session.ErrInvalid, id)
	}
	return session.CheckPath("/" + id)
}

const (
	firstRetry   = time.Second
	longestRetry = time.Minute
)

func defaultRetryAfter(attempt int) time.Duration {
	d := backoff.Doubling(firstRetry, longestRetry)(attempt)
	return d - rand.N(d/4)
}
