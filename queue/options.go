package queue

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/client/enum"
	"github.com/zkrecipes/zkrecipes/internal/recipe/identity"
	"github.com/zkrecipes/zkrecipes/session"
)

// Option configures a queue.
type Option func(*options)

type options struct {
	layout   Layout
	prefix   string
	lockPath string
	dead     string
	id       string
	maxLen   int
	bounded  bool
	stopTime time.Duration
}

// WithLayout selects the layout. The default is Native.
func WithLayout(l Layout) Option { return func(o *options) { o.layout = l } }

// WithPrefix replaces the prefix qn- before the sequence numbers of CuratorSimple,
// for programs with other names, for example queue_0000000000.
func WithPrefix(prefix string) Option { return func(o *options) { o.prefix = prefix } }

// WithLockPath sets the path at which Curator's consumers lock their items, if they
// were built with a lockPath. Items of the layouts Curator, CuratorPriority and
// CuratorDelay can be claimed only with this option.
func WithLockPath(path string) Option { return func(o *options) { o.lockPath = path } }

// WithDeadLetters sets the path of the dead letters. In the layouts Native and
// KazooLocking, the default is the child dead of the queue's path. In the others,
// where any child of the path may be taken for an item, the default is the queue's
// path followed by -dead.
func WithDeadLetters(path string) Option { return func(o *options) { o.dead = path } }

// WithMaxLen bounds the queue: a push that would make it longer than n items,
// including claimed and delayed ones, is refused with ErrFull. All producers must
// use the same n. The bound is exact among producers of this library. It costs a
// push one round trip, and a retry when two producers push at the same time. Other
// libraries do not check it.
func WithMaxLen(n int) Option { return func(o *options) { o.maxLen, o.bounded = n, true } }

// WithID sets the label of this consumer's claims, for people. The default is
// host:pid.
func WithID(id string) Option { return func(o *options) { o.id = id } }

// WithStopTime ends a claim d before its deadline, so that the consumer can stop
// before the session can end on the server. Context is then done, and the claim's
// node stays until the item is settled or d has passed, also if the connection
// recovers in the meantime, so that no other consumer owns the item during that
// time. There is no stop time if the node is deleted, if a server ends the session,
// or if the session is closed: these end ownership immediately.
//
// The longest d is Session.MaxStopTime, about a third of the session timeout
// granted by the server. A longer d is refused with session.ErrInvalid. Outages of
// a quarter of the timeout are still survived; for that the session sends up to four
// times as many proofs. After the session was idle, the first claim takes a quarter of
// the timeout longer; see session.WithSteadyProofs.
func WithStopTime(d time.Duration) Option { return func(o *options) { o.stopTime = d } }

func newOptions(opts []Option) options {
	o := options{id: identity.Default()}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// check returns an error if the options contradict each other or are invalid.
func (o *options) check() error {
	s, ok := specOf(o.layout, o.prefix)
	switch {
	case !ok:
		return enum.Check("layout", layoutNames, o.layout, session.ErrInvalid)
	case o.bounded && o.maxLen <= 0:
		return fmt.Errorf("%w: maximal length %d is less than 1", session.ErrInvalid, o.maxLen)
	case o.lockPath != "" && !s.lockable:
		return fmt.Errorf("%w: layout %v has no lock path", ErrUnsupported, o.layout)
	case o.prefix != "" && o.layout != CuratorSimple:
		return fmt.Errorf("%w: layout %v has no prefix", ErrUnsupported, o.layout)
	case strings.Contains(o.prefix, "/"):
		return fmt.Errorf("%w: prefix %q contains a slash", session.ErrInvalid, o.prefix)
	}
	for _, path := range []string{o.lockPath, o.dead, "/" + o.prefix + "0"} {
		if path != "" {
			if err := session.CheckPath(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// PushOption configures a push.
type PushOption func(*pushOptions)

type pushOptions struct {
	priority  *int
	notBefore time.Time
}

// WithPriority puts items before those with a greater number. The default is 0, and
// 100 in Kazoo's layouts. Kazoo's layouts have priorities from 0 to 999, Native and
// CuratorPriority all 32-bit integers, and the other layouts none.
func WithPriority(n int) PushOption { return func(o *pushOptions) { o.priority = &n } }

// WithNotBefore keeps items from being taken before t, with the precision of a
// millisecond. Native and CuratorDelay support it. The clock of the process that
// takes an item decides.
//
// A delayed item of Native has the same position as without the delay once it is
// due. In CuratorDelay all items are ordered by their times, and an item without
// WithNotBefore is due when it is pushed, by the clock of its producer.
func WithNotBefore(t time.Time) PushOption { return func(o *pushOptions) { o.notBefore = t } }

// pushKey returns the sort key of items that are pushed with opts.
func (s *layoutSpec) pushKey(opts []PushOption) (o sortKey, err error) {
	var p pushOptions
	for _, opt := range opts {
		opt(&p)
	}
	o.rank = int64(s.usual)
	if p.priority != nil {
		switch n := *p.priority; {
		case !s.prioritized:
			return o, fmt.Errorf("%w: layout %v has no priorities", ErrUnsupported, s.layout)
		case n < s.lowest || n > s.highest:
			return o, fmt.Errorf("%w: priority %d is not in the range %d to %d of layout %v", session.ErrInvalid, n, s.lowest, s.highest, s.layout)
		default:
			o.rank = int64(n)
		}
	}
	switch {
	case !p.notBefore.IsZero() && !s.delayed:
		return o, fmt.Errorf("%w: layout %v has no delays", ErrUnsupported, s.layout)
	case !p.notBefore.IsZero():
		if p.notBefore.After(time.UnixMilli(latestDue)) {
			return o, fmt.Errorf("%w: time %v of WithNotBefore is too late", session.ErrInvalid, p.notBefore)
		}
		o.due = max(0, p.notBefore.Add(time.Millisecond-1).UnixMilli())
	case s.layout == CuratorDelay:
		o.due = time.Now().UnixMilli()
	}
	if s.layout == CuratorDelay {
		o.rank = o.due
	}
	return o, nil
}

// ConsumeOption configures Consume.
type ConsumeOption func(*consumeOptions)

type consumeOptions struct {
	concurrency int
	maxAttempts int
	retryAfter  func(attempt int) time.Duration
}

// WithConcurrency sets how many calls of fn run at the same time; the default is 1.
func WithConcurrency(n int) ConsumeOption { return func(o *consumeOptions) { o.concurrency = n } }

// WithMaxAttempts makes an item a dead letter when its n-th attempt has failed,
// with the error of that attempt. Attempts of all consumers are counted, including
// those that died. The default is no limit.
func WithMaxAttempts(n int) ConsumeOption { return func(o *consumeOptions) { o.maxAttempts = n } }

// WithRetryAfter sets the pause between the failed attempt of a number, 1 for the
// first, and the moment at which the item is put back. The item stays claimed
// during the pause. Consume may hold up to 64 items in addition to those passed to
// fn, and claims no more. The default is a tenth of a second after the first
// attempt, doubled with each further one, and 30 seconds at most.
func WithRetryAfter(f func(attempt int) time.Duration) ConsumeOption {
	return func(o *consumeOptions) { o.retryAfter = f }
}

func newConsumeOptions(opts []ConsumeOption) (consumeOptions, error) {
	o := consumeOptions{concurrency: 1, maxAttempts: math.MaxInt, retryAfter: defaultRetryAfter}
	for _, opt := range opts {
		opt(&o)
	}
	switch {
	case o.concurrency <= 0:
		return o, fmt.Errorf("%w: concurrency %d is less than 1", session.ErrInvalid, o.concurrency)
	case o.maxAttempts <= 0:
		return o, fmt.Errorf("%w: number of attempts %d is less than 1", session.ErrInvalid, o.maxAttempts)
	case o.retryAfter == nil:
		o.retryAfter = defaultRetryAfter
	}
	return o, nil
}

var defaultRetryAfter = backoff.Doubling(100*time.Millisecond, 30*time.Second)
