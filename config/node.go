package config

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/cas"
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
// Snapshot. With session.AnyVersion the node's version does not matter, and a node that
// does not exist is created together with its ancestors. With Absent the node is
// created and must not exist.
//
// The error is session.ErrBadVersion, ErrNoNode or ErrNodeExists if the node is not as
// expected. For ErrBadVersion, Put reads the node's version and names it: "bad version:
// want 77, node is at 3". A lost reply is looked up; the error is session.ErrUnknown
// only if the session or ctx ends before that is possible. A value that the codec cannot
// decode again is refused before it is sent.
//
// Put takes one round trip, for a transaction that also writes a receipt (see
// session.Session.TxnWithReceipt).
func Put[T any](ctx context.Context, s *session.Session, path string, c codec.Codec[T], value T, version int32) (Snapshot[T], error) {
	n := node[T]{s, path, c}
	w, err := n.put(ctx, value, version)
	return w.Snapshot, n.explain(ctx, err, version)
}

// Update replaces the value at path by the result of fn, and returns the new Snapshot.
// If another client writes at the same time, fn is called again, so that no value is
// overwritten that fn has not seen. If the node does not exist, fn is called with the
// zero value of T, and the node is created together with its ancestors.
//
// If fn returns an error, Update returns it unchanged and writes nothing. If the node
// does not hold a value, Update returns the *DecodeError and writes nothing, because
// fn must not replace what it cannot see. A lost reply is neither an error nor counted
// twice. The error is session.ErrUnknown if the outcome of a lost reply cannot be found
// out, because ctx or the session has ended or the session has no receipts (see
// session.WithReceipts). A node of version -1 is refused with session.ErrInvalid.
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

// encode returns the data of a value, and the value that other clients decode from it,
// which the caller cannot change.
func (c node[T]) encode(value T) (data []byte, decoded T, err error) {
	if data, err = c.codec.Encode(value); err == nil {
		decoded, err = c.codec.Decode(data)
	}
	if err != nil {
		op := c.op("set")
		op.Err = err
		return nil, decoded, &op
	}
	return data, decoded, nil
}

func (c node[T]) op(op string) session.OpError {
	return session.OpError{Package: "config", Op: op, Path: c.path}
}

func (c node[T]) put(ctx context.Context, value T, version int32) (w writeResult[T], err error) {
	if err := c.check(); err != nil {
		return w, err
	}
	data, value, err := c.encode(value)
	if err != nil {
		return w, err
	}
	r, err := c.write(ctx, data, version)
	if err != nil {
		return w, err
	}
	return newWriteResult(value, data, r), nil
}

func newWriteResult[T any](value T, data []byte, r cas.Result) writeResult[T] {
	return writeResult[T]{Snapshot[T]{Value: value, Version: r.Stat.Version, Zxid: r.Stat.Mzxid}, data, r.Epoch}
}

// explain adds the node's version to the ErrBadVersion of a write. It reads the version
// now, so that another client may have changed it since.
func (c node[T]) explain(ctx context.Context, err error, want int32) error {
	if !errors.Is(err, session.ErrBadVersion) || ctx.Err() != nil {
		return err
	}
	st, exists, rerr := c.session.Exists(ctx, c.path)
	if rerr != nil || !exists {
		return err
	}
	return &session.OpError{Package: "config", Op: "set", Path: c.path, Err: fmt.Errorf("%w: want %d, node is at %d", session.ErrBadVersion, want, st.Version)}
}

// write sets or creates the node.
func (c node[T]) write(ctx context.Context, data []byte, version int32) (cas.Result, error) {
	for {
		if version != Absent {
			r, err := c.commit(ctx, "set", session.OpSet(c.path, data, version))
			missing := errors.Is(err, session.ErrNoNode) && !errors.Is(err, session.ErrUnknown)
			if version != session.AnyVersion || !missing {
				return r, err
			}
		}
		r, err := cas.Create(ctx, c.session, c.op("set"), c.path, data)
		if version == Absent || !errors.Is(err, session.ErrNodeExists) || errors.Is(err, session.ErrUnknown) {
			return r, err
		}
	}
}

// commit carries out op.
func (c node[T]) commit(ctx context.Context, what string, op session.Op) (cas.Result, error) {
	return cas.Commit(ctx, c.session, c.op(what), op)
}

// update is the function Update. If the node does not exist, fn is called with the
// result of missing.
func (c node[T]) update(ctx context.Context, missing func() T, fn func(T) (T, error)) (w writeResult[T], err error) {
	if err := c.check(args.NotNil("the function", fn == nil)); err != nil {
		return w, err
	}
	var value T
	var data []byte
	r, err := cas.Update(ctx, c.session, c.op("set"), c.path, func(n session.Node) ([]byte, error) {
		var current Snapshot[T]
		var err error
		if n.Err != nil { // session.ErrNoNode
			current.Value = missing()
		} else if current, err = c.decode(n.Data, n.Stat); err != nil {
			return nil, err
		}
		if value, err = fn(current.Value); err != nil {
			return nil, err
		}
		data, value, err = c.encode(value)
		if data == nil && err == nil {
			data = []byte{} // nil writes nothing
		}
		return data, err
	})
	if err != nil {
		return w, err
	}
	return newWriteResult(value, data, r), nil
}
