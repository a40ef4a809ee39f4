package naming

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/session"
)

// Errors of sequences, to decide by with errors.Is.
var (
	// ErrExhausted says that a sequence has no number left to give.
	ErrExhausted = errors.New("naming: no number left")
	// ErrSetBack says that somebody has removed the node of a sequence, or written
	// a smaller number into it, so that numbers would be given a second time.
	ErrSetBack = errors.New("naming: the sequence has been set back")
)

// Sequence gives numbers, from 1 on, each of them once in the whole ensemble. Its
// node holds the last number that was given out. It is safe for concurrent use;
// those who share one Sequence take turns.
//
// Numbers of one Sequence rise. Between those who share a node they rise too,
// unless WithBlock lets each have numbers in stock.
type Sequence struct {
	argErr  error // of NewSequence: what every call returns
	session *session.Session
	path    string
	options sequenceOptions
	lock    chan struct{} // holds a value while somebody is at it

	// of whoever has the turn
	known    bool   // the two below are what the node was last seen to be
	last     int64  // the node's number
	version  int32  // the node's version, absent if there is none
	epoch    uint64 // in which they were seen; servers may have been restored since
	highest  int64  // the highest number that the node was ever seen to hold
	reserved int64  // how many numbers up to next+stock-1 are ours to give
	next     int64  // the first of these
}

// absent is the version of a node that does not exist.
const absent int32 = math.MinInt32

// SequenceOption changes a sequence.
type SequenceOption func(*sequenceOptions)

type sequenceOptions struct {
	block int64
	codec codec.Codec[int64]
	nodes bool
}

// WithBlock has a Sequence take n numbers at a time, with one write, and give them
// one by one without asking. What it has in stock when the process ends is given
// to nobody. It panics unless n is positive.
func WithBlock(n int) SequenceOption {
	return func(o *sequenceOptions) { o.block = int64(n) }
}

// WithDecimal writes the number as decimal text, as Kazoo's Counter does. The
// default is eight bytes, the most significant first, as Curator's
// DistributedAtomicLong writes it.
func WithDecimal() SequenceOption {
	return func(o *sequenceOptions) { o.codec = decimal() }
}

// WithSequentialNodes has ZooKeeper count: for every number a sequential node is created
// below the sequence's node, and removed again. These numbers begin with 0, and
// there are 2^31 of them. It is the way of the ZooKeeper recipes; it needs no
// second try when many count at once, and leaves the server more to do.
func WithSequentialNodes() SequenceOption { return func(o *sequenceOptions) { o.nodes = true } }

// NewSequence names the sequence at path. Nothing is sent. All who count at a path
// must agree on the kind of sequence, but not on the size of their blocks.
func NewSequence(s *session.Session, path string, opts ...SequenceOption) *Sequence {
	o := sequenceOptions{block: 1, codec: codec.Int64()}
	for _, opt := range opts {
		opt(&o)
	}
	return &Sequence{
		argErr:  args.Check("naming", s, path, args.AtLeast(1, "the size of a block", int(o.block))),
		session: s, path: path, options: o, lock: make(chan struct{}, 1), highest: math.MinInt64,
	}
}

// Next returns a number that nobody has been given. A lost reply is looked up, so
// that no number is skipped for it; should the session expire, or ctx end, before
// it is known whether the number was taken, the error is session.ErrUnknown and
// the number is given to nobody.
//
// It takes one round trip, a transaction, as long as nobody else counts; each time
// that somebody was faster costs two more. The first call of a Sequence has to
// read the node, too. With a number in stock it takes none. Errors beside those
// of the session are ErrExhausted, ErrSetBack, as far as this Sequence has seen the
// higher number, and codec.ErrMalformed if the node holds data that is not a number of
// the sequence's kind; nothing is written then. Eight bytes of another kind cannot be
// told from a number.
func (q *Sequence) Next(ctx context.Context) (int64, error) {
	n, err := q.locked(ctx, func() (int64, error) {
		if q.options.nodes {
			return q.nextByNode(ctx)
		}
		if q.reserved == 0 {
			first, err := q.take(ctx, q.options.block)
			if err != nil {
				return 0, err
			}
			q.next, q.reserved = first, q.options.block
		}
		q.reserved--
		q.next++
		return q.next - 1, nil
	})
	return n, q.errorOf("count at", err)
}

// Reserve returns the first of n successive numbers, which are the caller's alone,
// at the cost of one. A sequence by nodes cannot reserve more than one at a time.
func (q *Sequence) Reserve(ctx context.Context, n int) (first int64, err error) {
	switch {
	case n <= 0:
		return 0, q.errorOf("reserve at", fmt.Errorf("%w: %d numbers", session.ErrInvalid, n))
	case q.options.nodes && n > 1:
		return 0, q.errorOf("reserve at", fmt.Errorf("%w: a sequence by nodes gives one number at a time", session.ErrInvalid))
	case q.options.nodes:
		return q.Next(ctx)
	}
	first, err = q.locked(ctx, func() (int64, error) { return q.take(ctx, int64(n)) })
	return first, q.errorOf("reserve at", err)
}

// Last returns the last number that was given out, or put in stock, by anybody; 0
// if none was. It takes one round trip, and may lag behind what others have just
// been given. A sequence by nodes does not know.
func (q *Sequence) Last(ctx context.Context) (int64, error) {
	if q.argErr != nil {
		return 0, q.argErr
	}
	if q.options.nodes {
		return 0, q.errorOf("read", fmt.Errorf("%w: a sequence by nodes does not know its last number", session.ErrInvalid))
	}
	data, _, err := q.session.Get(ctx, q.path)
	if errors.Is(err, session.ErrNoNode) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := q.options.codec.Decode(data)
	return n, q.errorOf("read", err)
}

// errorOf says of an error that has no path yet where it happened.
func (q *Sequence) errorOf(op string, err error) error {
	var oe *session.OpError
	if err == nil || errors.As(err, &oe) {
		return err
	}
	return &session.OpError{Package: "naming", Op: op, Path: q.path, Err: err}
}

// locked runs f while nobody else who shares the Sequence is at it.
func (q *Sequence) locked(ctx context.Context, f func() (int64, error)) (int64, error) {
	if q.argErr != nil {
		return 0, q.argErr
	}
	select {
	case q.lock <- struct{}{}:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	defer func() { <-q.lock }()
	return f()
}

// take adds n to the node's number and returns the first number beyond the old one.
func (q *Sequence) take(ctx context.Context, n int64) (first int64, err error) {
	pauses := backoff.New(2*time.Millisecond, 100*time.Millisecond, 1)
	for conflicts := 0; ; conflicts++ {
		if conflicts > 1 { // the first retry is immediate
			if err := pauses.Wait(ctx); err != nil {
				return 0, err
			}
		}
		if !q.known {
			if err := q.refresh(ctx); err != nil {
				return 0, err
			}
		}
		switch {
		case q.last < q.highest:
			q.known = false // somebody may put it right
			return 0, fmt.Errorf("%w: to %d, and there was %d", ErrSetBack, q.last, q.highest)
		case q.last > math.MaxInt64-n:
			return 0, ErrExhausted
		case q.version == session.AnyVersion:
			return 0, fmt.Errorf("%w: the node has the version -1, for which ZooKeeper has no compare-and-set", ErrExhausted)
		}
		version, err := q.write(ctx, q.last+n)
		switch {
		case err == nil:
			first, q.last, q.version = q.last+1, q.last+n, version
			q.highest = q.last
			return first, nil
		case errors.Is(err, session.ErrBadVersion), errors.Is(err, session.ErrNodeExists), errors.Is(err, session.ErrNoNode):
			q.known = false // somebody was faster
		default:
			q.known = false
			return 0, err
		}
	}
}

// refresh reads the node.
func (q *Sequence) refresh(ctx context.Context) error {
	e, err := q.session.Epoch(ctx)
	if err != nil {
		return err
	}
	data, st, err := q.session.Get(ctx, q.path)
	q.epoch = e.Number()
	switch {
	case errors.Is(err, session.ErrNoNode):
		q.last, q.version = 0, absent
	case err != nil:
		return err
	default:
		if q.last, err = q.options.codec.Decode(data); err != nil {
			return err
		}
		q.version = st.Version
	}
	q.known, q.highest = true, max(q.highest, q.last)
	return nil
}

// write puts v into the node, if that is as it was last seen, and returns its new
// version.
func (q *Sequence) write(ctx context.Context, v int64) (int32, error) {
	data, err := q.options.codec.Encode(v)
	if err != nil {
		return 0, err
	}
	op := session.OpSet(q.path, data, q.version)
	if q.version == absent {
		op = session.OpCreate(q.path, data)
	}
	for {
		results, err := session.InEpoch(ctx, q.session, session.OpError{}, func(e *session.Epoch) ([]session.Result, error) {
			if e.Number() != q.epoch {
				return nil, session.ErrBadVersion // as far as is known
			}
			return e.TxnDetached(ctx, nil, op)
		})
		if errors.Is(err, session.ErrNoNode) && q.version == absent {
			if err = q.session.CreateAncestors(ctx, q.path); err == nil {
				continue
			}
		}
		if err != nil {
			return 0, err
		}
		return results[0].Stat.Version, nil
	}
}
