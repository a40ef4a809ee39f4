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

// Snapshot is one version of a value. All users of a Value or a Tree share what its
// snapshots refer to, so it must not be changed.
type Snapshot[T any] struct {
	Value   T
	Version int32        // of the node, counted from its creation
	Zxid    session.Zxid // of the transaction that wrote it; 0 for a fallback
}

// Absent is the version of a node that must not exist yet.
const Absent int32 = -2

// Get reads the value at path. The error is session.ErrNoNode if the node does not
// exist, and a *DecodeError if it does not hold a value. Get takes one round trip. The
// server may lag behind; see session.Session.Sync.
func Get[T any](ctx context.Context, s *session.Session, path string, c codec.Codec[T]) (Snapshot[T], error) {
	return node[T]{s, path, c}.get(ctx)
}

// Put writes value to path if the node has the given version, and returns the new
// version. With session.AnyVersion the node's version does not matter, and a node that
// does not exist is created together with its ancestors. With Absent the node is
// created and must not exist.
//
// The error is session.ErrBadVersion, ErrNoNode or ErrNodeExists if the node is not as
// expected. A lost reply is looked up; the error is session.ErrUnknown only if the
// session or ctx ends before that is possible. A value that the codec cannot decode
// again is refused before it is sent.
//
// Put takes one round trip, for a transaction that also writes a receipt (see
// session.Session.TxnWithReceipt).
func Put[T any](ctx context.Context, s *session.Session, path string, c codec.Codec[T], value T, version int32) (Snapshot[T], error) {
	w, err := node[T]{s, path, c}.put(ctx, value, version)
	return w.Snapshot, err
}

// Update replaces the value at path by the result of fn, and returns the new version.
// If another client writes at the same time, fn is called again, so that no value is
// overwritten that fn has not seen. If the node does not exist, fn is called with the
// zero value of T, and the node is created together with its ancestors.
//
// If fn returns an error, Update returns it unchanged and writes nothing. If the node
// does not hold a value, Update returns the *DecodeError and writes nothing, because
// fn must not replace what it cannot see. A lost reply is neither an error nor counted
// twice; the error is session.ErrUnknown only if the session or ctx ends before the
// outcome is known.
//
// ZooKeeper numbers the versions of a node from its creation. If the node is deleted
// and created again between the read and the write and has reached the same version
// number, the write succeeds.
//
// Update takes two round trips, a read and a transaction with a receipt (see
// session.Session.TxnWithReceipt), and two more for each conflict with another client.
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

// writeResult is the result of a write.
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
	// Return a decoded copy: it is what other clients read, and the caller cannot
	// change it.
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

// commit carries out op and returns the epoch in which it was committed.
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

// update is the function Update. If the node does not exist, fn is called with the
// result of missing.
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
		current, err := c.get(ctx)
		if errors.Is(err, session.ErrNoNode) {
			current, err = Snapshot[T]{Value: missing(), Version: Absent}, nil
		}
		if err != nil {
			return w, err
		}
		value, err := fn(current.Value)
		if err != nil {
			return w, err
		}
		result, err := c.put(ctx, value, current.Version)
		if err == nil || errors.Is(err, session.ErrUnknown) || !isConflict(err, current.Version) {
			return result, err
		}
	}
}

// isConflict reports whether a write failed because another client has written since
// the read.
func isConflict(err error, version int32) bool {
	if version == Absent {
		return errors.Is(err, session.ErrNodeExists)
	}
	return errors.Is(err, session.ErrBadVersion) || errors.Is(err, session.ErrNoNode)
}
