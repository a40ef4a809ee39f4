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

// Option configures a pool.
type Option func(*options)

type options struct {
	address     string
	maxAttempts int
}

// WorkOption configures a call of Work.
type WorkOption func(*workOptions)

type workOptions struct {
	concurrency int
	retryAfter  func(attempt int) time.Duration
	stopTime    time.Duration
}

// MasterOption configures a call of Master.
type MasterOption func(*masterOptions)

type masterOptions struct {
	strategy Strategy
	keep     int
	keepFor  time.Duration
}

// WithAddress sets the data of a worker's node and of the master's node, for people
// and for programs that connect to them. The default is host:pid.
func WithAddress(address string) Option { return func(o *options) { o.address = address } }

// WithConcurrency sets how many tasks Work runs at a time; the default is 1. The
// master assigns no more than n tasks to the worker at a time.
func WithConcurrency(n int) WorkOption { return func(o *workOptions) { o.concurrency = n } }

// WithMaxAttempts sets after how many attempts a task has failed; the default is 3.
// An attempt is counted when its handler returns an error and when its worker dies
// or loses its claim. All workers and masters must use the same n.
func WithMaxAttempts(n int) Option { return func(o *options) { o.maxAttempts = n } }

// WithRetryAfter sets the pause between a failed attempt, the first of which is 1,
// and the next assignment of the task. The default is one second after the first
// attempt, doubled with each further one, up to one minute, and shortened by a
// random part. A task whose worker has died is assigned again without a pause.
func WithRetryAfter(f func(attempt int) time.Duration) WorkOption {
	return func(o *workOptions) { o.retryAfter = f }
}

// WithStrategy sets how the master chooses a worker for a task; the default is
// LeastLoaded.
func WithStrategy(s Strategy) MasterOption { return func(o *masterOptions) { o.strategy = s } }

// WithRetention sets how many finished tasks the master keeps, and for how long. It
// removes the oldest ones, by the servers' clock. The default is 10,000 tasks for
// one day.
func WithRetention(n int, d time.Duration) MasterOption {
	return func(o *masterOptions) { o.keep, o.keepFor = n, d }
}

// WithStopTime ends a worker's claim d before its deadline, so that the handler can
// stop before the session can end on the server. The handler's context is then
// done, and the claim's node stays until the handler has returned or d has passed,
// also if the connection recovers in the meantime, so that no other worker owns the
// task during that time. There is no stop time if the node is deleted, if a server
// ends the session, or if the session is closed: these end ownership immediately.
//
// The longest d is Session.MaxStopTime, about a third of the session timeout
// granted by the server. A longer d is refused with session.ErrInvalid. Outages of
// a quarter of the timeout are still survived; for that the session sends up to four
// times as many proofs. After the session was idle, the first task takes a quarter of
// the timeout longer; see session.WithSteadyProofs.
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
		err = args.Invalid("retention time %v is negative", o.keepFor)
	}
	return o, cmp.Or(args.NotNil("the strategy", o.strategy.pick == nil), args.AtLeast(0, "the number of finished tasks to keep", o.keep), err)
}

// checkID returns an error if id cannot name a worker.
func checkID(id string) error {
	if id == "" || strings.Contains(id, "/") {
		return fmt.Errorf("%w: id %q is empty or contains a slash", session.ErrInvalid, id)
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
