package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/session"
)

// Queue is a queue of values of type T at a path. It is safe for concurrent use. It
// holds only a cache of the items' names, so it need not be closed.
type Queue[T any] struct {
	store store
	codec codec.Codec[T]
}

// New returns the queue at path. It sends nothing. Every call returns an error if
// path is invalid or the options contradict each other.
func New[T any](s *session.Session, path string, c codec.Codec[T], opts ...Option) *Queue[T] {
	q := &Queue[T]{codec: c}
	q.store.open(s, path, newOptions(opts), args.NotNil("the codec", c == nil))
	return q
}

// store is the part of a queue that does not depend on the type of its values.
type store struct {
	session *session.Session
	path    string
	opts    options
	spec    layoutSpec
	// The parent nodes. claims is empty if items cannot be claimed.
	items, claims, dead string
	label               string // the data of claims
	argErr              error  // not nil if an argument of New is invalid

	cache   itemCache
	pastEnd atomic.Bool // see noteNumbers
	acks    ackBatcher
}

func (st *store) open(s *session.Session, path string, o options, codecErr error) {
	st.session, st.path, st.opts = s, path, o
	if st.argErr = errors.Unwrap(args.Check("queue", s, path, codecErr, o.check())); st.argErr != nil {
		return
	}
	st.spec, _ = specOf(o.layout, o.prefix)
	within := func(name string) string {
		if name == "" {
			return path
		}
		return session.Join(path, name)
	}
	st.items, st.claims, st.dead = within(st.spec.items), o.lockPath, o.dead
	if st.spec.claims != "" {
		st.claims = within(st.spec.claims)
	}
	switch {
	case st.dead != "":
	case st.spec.dead != "":
		st.dead = within(st.spec.dead)
	default:
		st.dead = path + "-dead"
	}
	st.label = o.id
	if o.layout == KazooLocking { // by which an owner recognizes its own claims
		st.label = strings.ReplaceAll(session.GUID(), "-", "")
	}
	st.cache.open(&st.spec)
}

// usable returns an error for an operation that cannot succeed with the queue's
// arguments and layout.
func (st *store) usable(op string, claims bool) error {
	switch {
	case st.argErr != nil:
		return st.fail(op, st.argErr)
	case claims && st.claims == "":
		return st.fail(op, fmt.Errorf("%w: layout %v has no claims", ErrUnsupported, st.spec.layout))
	}
	return nil
}

func (st *store) itemPath(name string) string  { return session.Join(st.items, name) }
func (st *store) claimPath(name string) string { return session.Join(st.claims, name) }
func (st *store) deadPath(name string) string  { return session.Join(st.dead, name) }

// ensure creates a missing parent node. In the layout that only this library uses
// it is a container, which the servers delete when it is empty. Other libraries
// expect theirs to stay.
func (st *store) ensure(ctx context.Context, ep *session.Epoch, dir string) error {
	opts := []session.CreateOption{session.Parents()}
	if !st.spec.durable {
		opts = append(opts, session.Container())
	}
	_, _, err := ep.Create(ctx, dir, nil, opts...)
	if errors.Is(err, session.ErrUnsupported) { // servers before 3.5.3
		_, _, err = ep.Create(ctx, dir, nil, session.Parents())
	}
	switch {
	case errors.Is(err, session.ErrNodeExists):
		return nil
	case errors.Is(err, session.ErrUnknown) && ctx.Err() == nil && ep.Err() == nil:
		return nil // the caller's next attempt shows whether it exists
	}
	return err
}

// Len returns the number of nodes among the items, including claimed items, items
// that are not yet due, and nodes of foreign names. It takes one round trip,
// independent of the number.
func (q *Queue[T]) Len(ctx context.Context) (int, error) {
	if err := q.store.usable("count", false); err != nil {
		return 0, err
	}
	st, _, err := q.store.session.Exists(ctx, q.store.items)
	return st.NumChildren, err
}
