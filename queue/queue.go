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

// Queue names a queue of values of type T. It is safe for concurrent use, and all
// that it holds is what it knows of the items' names, so that there is nothing to
// close.
type Queue[T any] struct {
	store store
	codec codec.Codec[T]
}

// New names the queue at path. Nothing is sent; options that do not go together
// and a bad path are errors of every call.
func New[T any](s *session.Session, path string, c codec.Codec[T], opts ...Option) *Queue[T] {
	q := &Queue[T]{codec: c}
	q.store.open(s, path, newOptions(opts), args.NotNil("the codec", c == nil))
	return q
}

// store is a queue as far as it does not depend on the type of its values.
type store struct {
	session *session.Session
	path    string
	opts    options
	spec    layoutSpec
	// The folders; claims is empty if items cannot be claimed.
	items, claims, dead string
	label               string // the data of claims
	argErr              error  // what is wrong with path or opts

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
	if o.layout == KazooLocking { // where an owner knows itself by this
		st.label = strings.ReplaceAll(session.GUID(), "-", "")
	}
	st.cache.open(&st.spec)
}

// usable refuses an operation that cannot be, before anything is sent.
func (st *store) usable(op string, claims bool) error {
	switch {
	case st.argErr != nil:
		return st.fail(op, st.argErr)
	case claims && st.claims == "":
		return st.fail(op, fmt.Errorf("%w: a claim with layout %v", ErrUnsupported, st.spec.layout))
	}
	return nil
}

func (st *store) itemPath(name string) string  { return session.Join(st.items, name) }
func (st *store) claimPath(name string) string { return session.Join(st.claims, name) }
func (st *store) deadPath(name string) string  { return session.Join(st.dead, name) }

// ensure creates a folder that was found missing. Those that only this library
// knows are containers, which the servers remove when they are empty; others
// count on theirs to stay.
func (st *store) ensure(ctx context.Context, ep *session.Epoch, dir string) error {
	opts := []session.CreateOption{session.Parents()}
	if !st.spec.durable {
		opts = append(opts, session.Container())
	}
	_, _, err := ep.Create(ctx, dir, nil, opts...)
	if errors.Is(err, session.ErrUnsupported) { // before 3.5.3
		_, _, err = ep.Create(ctx, dir, nil, session.Parents())
	}
	switch {
	case errors.Is(err, session.ErrNodeExists):
		return nil
	case errors.Is(err, session.ErrUnknown) && ctx.Err() == nil && ep.Err() == nil:
		return nil // the next try will tell
	}
	return err
}

// Len is the number of nodes among the items, in one round trip, however many they
// are. Those that are claimed or not yet due count, and so do strangers' nodes.
func (q *Queue[T]) Len(ctx context.Context) (int, error) {
	if err := q.store.usable("count", false); err != nil {
		return 0, err
	}
	st, _, err := q.store.session.Exists(ctx, q.store.items)
	return st.NumChildren, err
}
