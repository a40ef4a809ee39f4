package session

import (
	"context"
	"fmt"

	"github.com/zkrecipes/zkrecipes/internal/client/conn"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// createKind returns the kind of request that creates op on these servers. If they refuse
// containers, a persistent node is created; if they refuse create2, create is used.
func (e *Epoch) createKind(op *Op) wire.Op {
	if (op.kind == wire.OpCreateContainer || op.kind == wire.OpCreate2) && e.conn.Lacks(op.kind) {
		return wire.OpCreate
	}
	return op.kind
}

// unsupported returns an error if ops need an operation that the servers are known to
// refuse and that has no replacement.
func (e *Epoch) unsupported(ops []Op) error {
	for i := range ops {
		if kind := ops[i].kind; kind == wire.OpCreateTTL && e.conn.Lacks(kind) {
			return fmt.Errorf("%w: %v", ErrUnsupported, kind)
		}
	}
	if inMulti(ops) && e.conn.Lacks(wire.OpMulti) {
		return fmt.Errorf("%w: %v", ErrUnsupported, wire.OpMulti)
	}
	return nil
}

// inMulti reports whether ops are sent as a transaction. A single check is too, since not
// every server knows it outside of a transaction.
func inMulti(ops []Op) bool { return len(ops) > 1 || ops[0].kind == wire.OpCheck }

// learnFrom records which operations in ops the servers refuse, after the request c for
// ops was refused or lost. It reports whether ops must now be sent in another form than in
// c, or fail with ErrUnsupported.
//
// If c does not show that, because it may have been refused for one of its ops or for its
// size, or lost for another reason, learnFrom sends each operation in a small request that
// changes nothing. An operation that is refused now is taken to have been refused before:
// the servers of an ensemble know the same operations.
func (e *Epoch) learnFrom(ctx context.Context, ops []Op, c *conn.Call) (bool, error) {
	if c.Err == nil && !c.Refused() {
		return false, nil
	}
	if !inMulti(ops) {
		e.conn.Learn(c)
		if e.sentDifferently(ops, c) || c.Err == nil {
			return e.sentDifferently(ops, c), nil
		}
	}
	for i := range ops {
		switch kind := e.createKind(&ops[i]); kind {
		case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
			if err := e.conn.Probe(ctx, kind); err != nil {
				return false, err
			}
		}
	}
	if inMulti(ops) && !e.sentDifferently(ops, c) {
		if err := e.conn.Probe(ctx, wire.OpMulti); err != nil {
			return false, err
		}
	}
	return e.sentDifferently(ops, c), nil
}

// sentDifferently reports whether ops must now be sent in another form than in c.
func (e *Epoch) sentDifferently(ops []Op, c *conn.Call) bool {
	if m, ok := c.Body.(*wire.MultiRequest); ok {
		for i := range ops {
			if m.Ops[i].Op != e.createKind(&ops[i]) {
				return true
			}
		}
	} else if c.Op != e.createKind(&ops[0]) {
		return true
	}
	return e.unsupported(ops) != nil
}
