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

// resolve finds out what became of ops whose reply was lost. They were sent when
// the session had seen every change up to the zxid before. done says that they
// were committed; neither done nor an error, that they were not and never will
// be; ErrUnknown, that the tree cannot tell.
//
// The session has been resumed on some server by then. Requests of its old
// connection are refused from then on, and a sync has this server catch up with
// whatever they did.
func (e *Epoch) resolve(ctx context.Context, ops []Op, before int64) (results []Result, done bool, err error) {
	if !slices.ContainsFunc(ops, func(op Op) bool { return op.kind != wire.OpCheck }) {
		return nil, false, nil // conditions alone change nothing, and can be asked again
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
		case v == notCommitted, v == absent && len(ops) == 1: // and so none of them
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
	absent // an ephemeral node is not there: never created, or removed by somebody
)

// evidence reads what the tree tells of one op.
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

// evidenceOfSet: a node that nobody has written since tells that this write did
// not happen, and so does one that holds other bytes in the version that this
// write would have made, if it has not been created anew in between. The same
// bytes in that version may be a twin's.
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

// evidenceOfUnique: the node is there or it is not. If it is not, an ephemeral
// one may be created again, unless other writes hang on it: should somebody have
// removed it, it has been lost before it was owned.
func (e *Epoch) evidenceOfUnique(ctx context.Context, op *Op, before Zxid, r *Result) (outcome, error) {
	parent, prefix := Split(op.path)
	c, err := e.read(ctx, "list", parent, wire.OpGetChildren2, &wire.ChildrenResponse{})
	if errors.Is(err, ErrNoNode) && op.create.ephemeral {
		return absent, nil
	}
	if err != nil {
		return inconclusive, ignoreNoNode(err)
	}
	list := c.reply.(*wire.ChildrenResponse)
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

// evidenceOfCreate: an ephemeral node is told by its owner, since a session
// creates it only once at a time. Of any other, only a parent that has not
// changed tells anything.
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
	list := c.reply.(*wire.ChildrenResponse)
	if Zxid(list.Stat.Pzxid) <= before && !uncounted(list.Stat.Cversion, list.Stat.NumChildren) {
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

// isSequence tells whether s is what the server puts behind a sequential name.
func isSequence(s string) bool {
	n, err := strconv.ParseInt(s, 10, 32)
	return err == nil && fmt.Sprintf("%010d", n) == s
}

// evidenceOfOwner looks for a node that this epoch has created since.
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
