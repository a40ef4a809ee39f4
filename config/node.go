package config

import (
	"context"
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/session"
)

// Snapshot is one version of a value. Who shares a Value or a Tree shares what its
// snapshots refer to: it must not be changed.
type Snapshot[T any] struct {
	Value   T
	Version int32        // of the node, counted from its creation
	Zxid    session.Zxid // of the transaction that wrote it; 0 for a fallback
}

// Absent, for a version, says that there must not be a node yet.
const Absent int32 = -2

// Get reads the value at path. The error is session.ErrNoNode if there is no such
// node and a *DecodeError if it does not hold a value. It takes one round trip and
// may be served by a server that lags behind: see session.Session.Sync.
func Get[T any](ctx context.Context, s *session.Session, path string, c codec.Codec[T]) (Snapshot[T], error) {
	return node[T]{s, path, c}.get(ctx)
}

// Put writes value to path if the node's version is as given, and returns what is
// stored then. With session.AnyVersion the version does not matter, and a node that
// does not exist is created, together with its ancestors; with Absent it is created,
// and must not exist. The error is session.ErrBadVersion, ErrNoNode or ErrNodeExists
// if the node is not as expected.
//
// A reply that is lost is looked up. session.ErrUnknown is left for the case that
// the session or ctx ends before that is possible. It takes one round trip, for a
// transaction that also writes a receipt (see session.Session.TxnWithReceipt).
//
// A value that the codec does not decode again is refused before it is sent.
func Put[T any](ctx context.Context, s *session.Session, path string, c codec.Codec[T], value T, version int32) (Snapshot[T], error) {
	w, err := node[T]{s, path, c}.put(ctx, value, version)
	return w.Snapshot, err
}

// Update replaces the value at path by what fn makes of it, and returns what is
// stored then. fn is called again whenever somebody else was faster, so that nothing
// is overwritten that fn has not seen. It is given the zero value of T if there is no
// such node, which is then created, together with its ancestors. An error of fn is
// returned as it is, and nothing is written then; so is a *DecodeError, for what fn
// cannot see it must not replace.
//
// ZooKeeper tells versions of a node apart by their number, which begins again when
// the node is deleted and created anew: should that happen between the read and the
// write, and the number be the same again, the write goes through.
//
// A reply that is lost is neither an error nor counted twice. session.ErrUnknown is
// left for the case that the session or ctx ends before its outcome is known. It
// takes two round trips, a read and a transaction with a receipt (see
// session.Session.TxnWithReceipt), and two more each time that somebody was faster.
func Update[T any](ctx context.Context, s *session.Session, path string, c codec.Codec[T], fn func(T) (T, error)) (Snapshot[T], error) {
	w, err := node[T]{s, path, c}.update(ctx, func() T { var zero T; return zero }, fn)
	return w.Snapshot, err
}

// node is a node that holds a value.
type node[T any] struct {
	session *session.Session
	path    string
	codec   codec.Codec[T]
}

// writeResult is what a write has stored.
type writeResult[T any] struct {
	Snapshot[T]
	data  []byte
	epoch uint64 // in which it was written
}

// check returns the error of the first bad argument.
func (c node[T]) check(more ...error) error {
	return args.Check("config", c.session, c.path, append(more, args.NotNil("the codec", c.codec == nil))...)
}

func (c node[T]) get(ctx context.Context) (Snapshot[T], error) {
	if err := c.check(); err != nil {
		return Snapshot[T]{}, err
	}
	data, st, err := c.session.Get(ctx, c.path)
	if err != nil {
		return Snapshot[T]{}, err
	}
	return c.decode(data, st)
}

func (c node[T]) decode(data []byte, st session.Stat) (Snapshot[T], error) {
	v, err := c.codec.Decode(data)
	if err != nil {
		return Snapshot[T]{}, &DecodeError{Path: c.path, Zxid: st.Mzxid, Err: err}
	}
	return Snapshot[T]{Value: v, Version: st.Version, Zxid: st.Mzxid}, nil
}

func (c node[T]) put(ctx context.Context, value T, version int32) (w writeResult[T], err error) {
	if err := c.check(); err != nil {
		return w, err
	}
	data, err := c.codec.Encode(value)
	if err != nil {
		return w, &session.OpError{Package: "config", Op: "set", Path: c.path, Err: err}
	}
	// What is shown is what others will read, and not what the caller may change.
	if value, err = c.codec.Decode(data); err != nil {
		return w, &session.OpError{Package: "config", Op: "set", Path: c.path, Err: err}
	}
	st, epoch, err := c.write(ctx, data, version)
	return writeResult[T]{Snapshot[T]{Value: value, Version: st.Version, Zxid: st.Mzxid}, data, epoch}, err
}

// write sets or creates the node.
func (c node[T]) write(ctx context.Context, data []byte, version int32) (session.Stat, uint64, error) {
	create := version == Absent
	for {
		op := session.OpSet(c.path, data, version)
		if create {
			op = session.OpCreate(c.path, data)
		}
		st, epoch, err := c.commit(ctx, "set", op)
		switch {
		case err == nil:
			return st, epoch, nil
		case errors.Is(err, session.ErrUnknown):
		case create && errors.Is(err, session.ErrNoNode):
			if err = c.session.CreateAncestors(ctx, c.path); err == nil {
				continue
			}
		case version == session.AnyVersion && errors.Is(err, session.ErrNoNode):
			create = true
			continue
		case version == session.AnyVersion && errors.Is(err, session.ErrNodeExists):
			create = false
			continue
		}
		return session.Stat{}, 0, err
	}
}

// commit carries out op, in whatever epoch, and returns which it was.
func (c node[T]) commit(ctx context.Context, what string, op session.Op) (session.Stat, uint64, error) {
	var epoch uint64
	results, err := session.InEpoch(ctx, c.session, session.OpError{Package: "config", Op: what, Path: c.path}, func(e *session.Epoch) ([]session.Result, error) {
		epoch = e.Number()
		return e.TxnDetached(ctx, nil, op)
	})
	if err != nil {
		return session.Stat{}, 0, err
	}
	return results[0].Stat, epoch, nil
}

// update is Update, with what fn is given where there is no node.
func (c node[T]) update(ctx context.Context, missing func() T, fn func(T) (T, error)) (w writeResult[T], err error) {
	if err := c.check(args.NotNil("the function", fn == nil)); err != nil {
		return w, err
	}
	pauses := backoff.New(10*time.Millisecond, 250*time.Millisecond, 1)
	for conflicts := 0; ; conflicts++ {
		if conflicts > 1 { // the first retry is immediate
			if err := pauses.Wait(ctx); err != nil {
				return w, &session.OpError{Package: "config", Op: "set", Path: c.path, Err: err}
			}
		}
		was, err := c.get(ctx)
		if errors.Is(err, session.ErrNoNode) {
			was, err = Snapshot[T]{Value: missing(), Version: Absent}, nil
		}
		if err != nil {
			return w, err
		}
		value, err := fn(was.Value)
		if err != nil {
			return w, err
		}
		is, err := c.put(ctx, value, was.Version)
		if err == nil || errors.Is(err, session.ErrUnknown) || !isConflict(err, was.Version) {
			return is, err
		}
	}
}

// isConflict tells whether a write failed because somebody else was faster.
func isConflict(err error, version int32) bool {
	if version == Absent {
		return errors.Is(err, session.ErrNodeExists)
	}
	return errors.Is(err, session.ErrBadVersion) || errors.Is(err, session.ErrNoNode)
}
