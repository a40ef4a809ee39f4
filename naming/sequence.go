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
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/session"
)

// Errors of sequences that callers test for with errors.Is.
var (
	// ErrExhausted is returned if a sequence has no number left.
	ErrExhausted = errors.New("naming: no number left")
	// ErrSetBack is returned if another client has deleted the node of a sequence or
	// written a smaller number to it, so that numbers would be assigned twice.
	ErrSetBack = errors.New("naming: the sequence has been set back")
)

// Sequence assigns numbers from 1 on, each of them once in the whole ensemble. Its
// node holds the last assigned number. It is safe for concurrent use; concurrent calls
// on one Sequence wait for each other.
//
// The numbers of one Sequence rise. The numbers of several Sequences on one node rise
// too, unless WithBlock lets each reserve numbers.
type Sequence struct {
	argErr  error // of NewSequence; every call returns it
	session *session.Session
	path    string
	options sequenceOptions
	lock    chan struct{} // has one value while a call runs; guards the fields below

	known    bool   // last and version are set
	last     int64  // the node's number when last read or written
	version  int32  // the node's version then; absent if there was no node
	epoch    uint64 // of that; servers may have been restored since
	highest  int64  // highest number read from or written to the node
	reserved int64  // how many numbers from next on are reserved and not assigned
	next     int64  // first reserved number
}

// absent is the version of a node that does not exist.
const absent int32 = math.MinInt32

// SequenceOption configures a Sequence.
type SequenceOption func(*sequenceOptions)

type sequenceOptions struct {
	block int64
	codec codec.Codec[int64]
	nodes bool
}

// WithBlock makes a Sequence reserve n numbers with one write and assign them without
// further requests. Numbers that are reserved when the process ends are never
// assigned. If n is not positive, calls return session.ErrInvalid.
func WithBlock(n int) SequenceOption {
	return func(o *sequenceOptions) { o.block = int64(n) }
}

// WithDecimal stores the number as decimal text, as Kazoo's Counter does. The default
// is eight bytes, the most significant first, as Curator's DistributedAtomicLong
// stores it.
func WithDecimal() SequenceOption {
	return func(o *sequenceOptions) { o.codec = decimal() }
}

// WithSequentialNodes lets ZooKeeper count: for every number a sequential node is
// created below the sequence's node and deleted again. These numbers begin with 0, and
// there are 2^31 of them. This is the method of the ZooKeeper recipes. It needs no
// retries when many clients count at once, and causes more work on the server.
func WithSequentialNodes() SequenceOption { return func(o *sequenceOptions) { o.nodes = true } }

// NewSequence returns the sequence at path. It sends nothing. All clients of a path
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

// Next returns a number that has not been assigned before.
//
// A lost reply is looked up, so no number is skipped because of it. If the session
// expires or ctx is done before the outcome is known, the error is session.ErrUnknown
// and the number is never assigned. Besides the errors of the session, Next returns
// ErrExhausted; ErrSetBack, if this Sequence has seen a higher number; and
// codec.ErrMalformed, if the node's data is not a number of the sequence's kind, which
// is then not overwritten. Eight bytes of other data cannot be distinguished from a
// number.
//
// Next takes one round trip, a transaction, while no other client counts. Each
// conflict with another client costs two more. The first call of a Sequence also reads
// the node. With a reserved number Next takes none.
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

// Reserve returns the first of n successive numbers, all of which are assigned to the
// caller, at the cost of one. With WithSequentialNodes n must be 1.
func (q *Sequence) Reserve(ctx context.Context, n int) (first int64, err error) {
	switch {
	case n <= 0:
		return 0, q.errorOf("reserve at", fmt.Errorf("%w: %d numbers", session.ErrInvalid, n))
	case q.options.nodes && n > 1:
		return 0, q.errorOf("reserve at", fmt.Errorf("%w: a sequence with sequential nodes assigns one number at a time", session.ErrInvalid))
	case q.options.nodes:
		return q.Next(ctx)
	}
	first, err = q.locked(ctx, func() (int64, error) { return q.take(ctx, int64(n)) })
	return first, q.errorOf("reserve at", err)
}

// Last returns the last number that any client was assigned or has reserved, and 0 if
// there is none. It takes one round trip and may lag behind recent assignments. With
// WithSequentialNodes it returns session.ErrInvalid.
func (q *Sequence) Last(ctx context.Context) (int64, error) {
	if q.argErr != nil {
		return 0, q.argErr
	}
	if q.options.nodes {
		return 0, q.errorOf("read", fmt.Errorf("%w: a sequence with sequential nodes does not know its last number", session.ErrInvalid))
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

// errorOf adds the operation and the path to an error that has none.
func (q *Sequence) errorOf(op string, err error) error {
	var oe *session.OpError
	if err == nil || errors.As(err, &oe) {
		return err
	}
	return &session.OpError{Package: "naming", Op: op, Path: q.path, Err: err}
}

// locked runs f while no other call of the Sequence runs.
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

// take adds n to the node's number and returns the old number plus one.
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
			q.known = false // an operator may correct the node
			return 0, fmt.Errorf("%w: to %d, and it was at %d", ErrSetBack, q.last, q.highest)
		case q.last > math.MaxInt64-n:
			return 0, ErrExhausted
		case q.version == session.AnyVersion:
			return 0, fmt.Errorf("%w: the node has version -1, for which ZooKeeper has no compare-and-set", ErrExhausted)
		}
		version, err := q.write(ctx, q.last+n)
		switch {
		case err == nil:
			first, q.last, q.version = q.last+1, q.last+n, version
			q.highest = q.last
			return first, nil
		case refusal.IsConflict(err):
			q.known = false // another client was faster
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

// write sets the node to v if it has not changed since it was last read, and returns
// its new version.
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
				return nil, session.ErrBadVersion // the version may be of another history: read again
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
