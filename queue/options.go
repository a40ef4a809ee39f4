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

// Option changes a queue.
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

// WithLayout chooses the nodes. The default is Native.
func WithLayout(l Layout) Option { return func(o *options) { o.layout = l } }

// WithPrefix replaces the qn- before the sequence numbers of CuratorSimple, for
// programs that call their items queue_0000000000, say.
func WithPrefix(prefix string) Option { return func(o *options) { o.prefix = prefix } }

// WithLockPath says where Curator's consumers lock their items, if they were built
// with a lockPath. Only then can items of the layouts Curator, CuratorPriority and
// CuratorDelay be claimed.
func WithLockPath(path string) Option { return func(o *options) { o.lockPath = path } }

// WithDeadLetters says where dead letters are put. The default is the child dead of
// the queue's path, in the layouts Native and KazooLocking, and in the others, where
// every child of the path may be taken for an item, a sibling of it that ends in
// -dead.
func WithDeadLetters(path string) Option { return func(o *options) { o.dead = path } }

// WithMaxLen bounds the queue: a push that would make it longer than n items,
// claimed and delayed ones among them, is refused with ErrFull. All producers must
// give the same n. It is exact among producers of this library, at the cost of a
// round trip, and of a new try when two push at the same time; those of others do
// not ask.
func WithMaxLen(n int) Option { return func(o *options) { o.maxLen, o.bounded = n, true } }

// WithID labels the claims of this consumer, for people. The default is host:pid.
func WithID(id string) Option { return func(o *options) { o.id = id } }

// WithStopTime ends a claim d before its deadline, so that the consumer can
// finish stopping before the session can end on the server: from then on Context is
// done, and the claim's node stays until Ack, Nack or Bury is called or d has passed, also if the
// connection recovers in between, so that nobody else owns meanwhile. There is no
// such time if somebody removes the node, if a server ends the session, and when the
// session is closed: that ends ownership at once.
//
// The longest d is Session.MaxStopTime, about a third of the session timeout that
// the server has granted; a longer one is refused with session.ErrInvalid. Outages
// of a quarter of the timeout are survived all the same, for which the session
// proves itself up to four times as often. After a rest, a first claim takes a
// quarter of the timeout longer; see session.WithSteadyProofs.
func WithStopTime(d time.Duration) Option { return func(o *options) { o.stopTime = d } }

func newOptions(opts []Option) options {
	o := options{id: identity.Default()}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// check refuses options that make no queue.
func (o *options) check() error {
	s, ok := specOf(o.layout, o.prefix)
	switch {
	case !ok:
		return enum.Check("layout", layoutNames, o.layout, session.ErrInvalid)
	case o.bounded && o.maxLen <= 0:
		return fmt.Errorf("%w: a queue of at most %d items", session.ErrInvalid, o.maxLen)
	case o.lockPath != "" && !s.lockable:
		return fmt.Errorf("%w: a lock path with layout %v", ErrUnsupported, o.layout)
	case o.prefix != "" && o.layout != CuratorSimple:
		return fmt.Errorf("%w: a prefix with layout %v", ErrUnsupported, o.layout)
	case strings.Contains(o.prefix, "/"):
		return fmt.Errorf("%w: the prefix %q", session.ErrInvalid, o.prefix)
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

// PushOption changes how items are pushed.
type PushOption func(*pushOptions)

type pushOptions struct {
	priority  *int
	notBefore time.Time
}

// WithPriority puts items before those with a greater number. The default is 0, with
// Kazoo's layouts 100. Kazoo's have priorities from 0 to 999, Native and
// CuratorPriority all of 32 bits, and the other layouts none.
func WithPriority(n int) PushOption { return func(o *pushOptions) { o.priority = &n } }

// WithNotBefore keeps items from being taken before t, to the millisecond. What counts
// are the clocks of the consumers: nobody's clock is asked but that of the process
// that takes an item. It is for Native and CuratorDelay.
//
// Once due, an item of Native stands where it would have stood without the delay.
// In CuratorDelay all items stand in the order of their times; there an item
// without WithNotBefore is due when it is pushed, by the clock of its producer.
func WithNotBefore(t time.Time) PushOption { return func(o *pushOptions) { o.notBefore = t } }

// pushKey is what items that are pushed like this are named after.
func (s *layoutSpec) pushKey(opts []PushOption) (o sortKey, err error) {
	var p pushOptions
	for _, opt := range opts {
		opt(&p)
	}
	o.rank = int64(s.usual)
	if p.priority != nil {
		switch n := *p.priority; {
		case !s.prioritised:
			return o, fmt.Errorf("%w: a priority with layout %v", ErrUnsupported, s.layout)
		case n < s.lowest || n > s.highest:
			return o, fmt.Errorf("%w: priority %d, and with layout %v they go from %d to %d", session.ErrInvalid, n, s.layout, s.lowest, s.highest)
		default:
			o.rank = int64(n)
		}
	}
	switch {
	case !p.notBefore.IsZero() && !s.delayed:
		return o, fmt.Errorf("%w: a delay with layout %v", ErrUnsupported, s.layout)
	case !p.notBefore.IsZero():
		if p.notBefore.After(time.UnixMilli(latestDue)) {
			return o, fmt.Errorf("%w: not before %v", session.ErrInvalid, p.notBefore)
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

// ConsumeOption changes how Consume works.
type ConsumeOption func(*consumeOptions)

type consumeOptions struct {
	concurrency int
	maxAttempts int
	retryAfter  func(attempt int) time.Duration
}

// WithConcurrency has up to n items worked on at the same time; the default is 1.
func WithConcurrency(n int) ConsumeOption { return func(o *consumeOptions) { o.concurrency = n } }

// WithMaxAttempts makes an item a dead letter when its n-th attempt has failed, with
// the error of that attempt. It counts the attempts of all consumers, those that
// died in the middle among them. The default is no limit.
func WithMaxAttempts(n int) ConsumeOption { return func(o *consumeOptions) { o.maxAttempts = n } }

// WithRetryAfter says how long to wait after the failed attempt of this number, 1 for
// the first, before the item is put back. Until then it stays claimed, which up to
// 64 items may be beside those that are worked on; more are not claimed. The
// default is a tenth of a second after the first, twice as long after each further
// one, and half a minute at most.
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
		return o, fmt.Errorf("%w: a concurrency of %d", session.ErrInvalid, o.concurrency)
	case o.maxAttempts <= 0:
		return o, fmt.Errorf("%w: at most %d attempts", session.ErrInvalid, o.maxAttempts)
	case o.retryAfter == nil:
		o.retryAfter = defaultRetryAfter
	}
	return o, nil
}

var defaultRetryAfter = backoff.Doubling(100*time.Millisecond, 30*time.Second)
