package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// resolve finds out the outcome of ops whose reply was lost. before is the zxid of the
// latest change that the session had seen when it sent them. If done, they were committed.
// If neither done nor an error is returned, they were not committed and will not be. The
// error is ErrUnknown if the nodes do not show the outcome.
//
// The ZooKeeper session has been resumed before resolve reads. From then on the servers
// refuse requests of the old connection, and a sync makes the new server catch up with the
// requests that were committed.
func (e *Epoch) resolve(ctx context.Context, ops []Op, before int64) (results []Result, done bool, err error) {
	if !slices.ContainsFunc(ops, func(op Op) bool { return op.kind != wire.OpCheck }) {
		return nil, false, nil // checks alone change nothing and can be sent again
	}
	if err := e.Sync(ctx, ops[0].path); err != nil {
		return nil, false, unknown(err)
	}
	results = make([]Result, len(ops))
	for i := range ops {
		v, err := e.evidence(ctx, &ops[i], Zxid(before), &results[i])
		switch {
		case err != nil:
			return nil, false, unknown(err)
		case v == notCommitted, v == absent && len(ops) == 1: // then none of ops was committed
			return nil, false, nil
		case v == committed:
			done = true
		}
	}
	if !done {
		return nil, false, ErrUnknown
	}
	return results, true, nil
}

type outcome uint8

const (
	inconclusive outcome = iota
	committed
	notCommitted
	absent // an ephemeral node does not exist: it was not created, or was deleted by another client
)

// evidence reads what the nodes show about the outcome of one op.
func (e *Epoch) evidence(ctx context.Context, op *Op, before Zxid, r *Result) (outcome, error) {
	switch {
	case op.kind == wire.OpCheck:
		return inconclusive, nil
	case op.kind == wire.OpSetData:
		return e.evidenceOfSet(ctx, op, before)
	case op.kind == wire.OpDelete:
		n, err := e.node(ctx, "get", op.path)
		if err == nil && n.Stat.Czxid <= before {
			return notCommitted, nil
		}
		return inconclusive, ignoreNoNode(err)
	case op.create.unique:
		return e.evidenceOfUnique(ctx, op, before, r)
	default:
		return e.evidenceOfCreate(ctx, op, before, r)
	}
}

// evidenceOfSet reads the node of a set. The set was not committed if the node has not
// changed since, or if the node is the same and has other data in the version that the set
// would have made. The same data in that version may come from another client.
func (e *Epoch) evidenceOfSet(ctx context.Context, op *Op, before Zxid) (outcome, error) {
	n, err := e.node(ctx, "get", op.path)
	if err != nil {
		return inconclusive, ignoreNoNode(err)
	}
	if n.Stat.Mzxid <= before {
		return notCommitted, nil
	}
	same := n.Stat.Czxid <= before
	if same && op.version != AnyVersion && n.Stat.Version == op.version+1 && string(n.Data) != string(op.data) {
		return notCommitted, nil
	}
	return inconclusive, nil
}

// evidenceOfUnique looks for the node of a Unique create. If it does not exist, an
// ephemeral node that is the only op may be created again: even if another client has
// deleted it, that was a loss before ownership began.
func (e *Epoch) evidenceOfUnique(ctx context.Context, op *Op, before Zxid, r *Result) (outcome, error) {
	parent, prefix := Split(op.path)
	c, err := e.read(ctx, "list", parent, wire.OpGetChildren2, &wire.ChildrenResponse{})
	if errors.Is(err, ErrNoNode) && op.create.ephemeral {
		return absent, nil
	}
	if err != nil {
		return inconclusive, ignoreNoNode(err)
	}
	list := c.Reply.(*wire.ChildrenResponse)
	name, ok := find(list.Children, prefix)
	switch {
	case ok:
	case Zxid(list.Stat.Pzxid) <= before:
		return notCommitted, nil
	case op.create.ephemeral:
		return absent, nil
	default:
		return inconclusive, nil
	}
	n, err := e.node(ctx, "get", Join(parent, name))
	if err != nil {
		return inconclusive, ignoreNoNode(err)
	}
	if op.create.siblings != nil {
		*op.create.siblings = list.Children
	}
	*r = Result{n.Path, n.Stat}
	return committed, nil
}

// evidenceOfCreate looks for the node of a create that is not Unique. An ephemeral node is
// recognized by its owner, since a session runs only one create of a path at a time. Any
// other create is known not to be committed if the parent has not changed.
func (e *Epoch) evidenceOfCreate(ctx context.Context, op *Op, before Zxid, r *Result) (outcome, error) {
	parent, name := Split(op.path)
	if op.create.ephemeral && !op.create.sequential {
		return e.evidenceOfOwner(ctx, []string{op.path}, before, r)
	}
	c, err := e.read(ctx, "list", parent, wire.OpGetChildren2, &wire.ChildrenResponse{})
	if errors.Is(err, ErrNoNode) && op.create.ephemeral {
		return absent, nil
	}
	if err != nil {
		return inconclusive, ignoreNoNode(err)
	}
	list := c.Reply.(*wire.ChildrenResponse)
	if Zxid(list.Stat.Pzxid) <= before && !list.Stat.PzxidStopped() {
		return notCommitted, nil
	}
	if !op.create.ephemeral {
		return inconclusive, nil
	}
	var candidates []string
	for _, n := range list.Children {
		if rest, ok := strings.CutPrefix(n, name); ok && isSequence(rest) {
			candidates = append(candidates, Join(parent, n))
		}
	}
	v, err := e.evidenceOfOwner(ctx, candidates, before, r)
	if v == committed && op.create.siblings != nil {
		*op.create.siblings = list.Children
	}
	return v, err
}

// isSequence reports whether s is a sequence number as the server appends it.
func isSequence(s string) bool {
	n, err := strconv.ParseInt(s, 10, 32)
	return err == nil && fmt.Sprintf("%010d", n) == s
}

// evidenceOfOwner looks for a node that this epoch has created after the zxid before.
func (e *Epoch) evidenceOfOwner(ctx context.Context, paths []string, before Zxid, r *Result) (outcome, error) {
	nodes, err := e.Nodes(ctx, paths...)
	if err != nil {
		return inconclusive, err
	}
	for _, n := range nodes {
		switch {
		case n.Err != nil && !errors.Is(n.Err, ErrNoNode):
			return inconclusive, n.Err
		case n.Err == nil && n.Stat.EphemeralOwner == e.ID() && n.Stat.Czxid > before:
			*r = Result{n.Path, n.Stat}
			return committed, nil
		}
	}
	return absent, nil
}

func ignoreNoNode(err error) error {
	if errors.Is(err, ErrNoNode) {
		return nil
	}
	return err
}
