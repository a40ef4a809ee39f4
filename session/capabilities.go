package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// capabilities records the operations that the servers have refused. The session can
// replace most of them. A server refuses an operation with an error code, or it closes
// the connection each time, which ends in ErrRejected.
type capabilities struct {
	probing keyedLock // by the name of the operation
	mu      sync.Mutex
	refused map[wire.Op]bool
}

// lacks reports whether the servers are known to refuse op.
func (a *capabilities) lacks(op wire.Op) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refused[op]
}

// safeRequestSize is a request size that every server accepts, whatever its
// jute.maxbuffer. A rejected request that is not longer was rejected for its operation.
const safeRequestSize = 64 << 10

// learn records that the servers refuse the operation of c if the outcome of c shows that.
func (a *capabilities) learn(c *call) {
	switch {
	case !c.refused():
		return
	case errors.Is(c.err, ErrRejected) && c.size > safeRequestSize:
		return
	case c.op == wire.OpCreateTTL && c.err == nil:
		return // a setting of the servers, which may change
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refused == nil {
		a.refused = make(map[wire.Op]bool)
	}
	a.refused[c.op] = true
}

// refused reports whether the server refused c for its operation, and not because of the
// state of the nodes.
func (c *call) refused() bool {
	if c.err != nil {
		return errors.Is(c.err, ErrRejected)
	}
	if m, ok := c.reply.(*wire.MultiResponse); ok && len(m.Results) > 0 {
		return false // one of the ops failed
	}
	return c.code == wire.CodeUnimplemented || c.code == wire.CodeBadArguments
}

// createKind returns the kind of request that creates op on these servers. If they refuse
// containers, a persistent node is created; if they refuse create2, create is used.
func (a *capabilities) createKind(op *Op) wire.Op {
	if (op.kind == wire.OpCreateContainer || op.kind == wire.OpCreate2) && a.lacks(op.kind) {
		return wire.OpCreate
	}
	return op.kind
}

// unsupported returns an error if ops need an operation that the servers are known to
// refuse and that has no replacement.
func (a *capabilities) unsupported(ops []Op) error {
	for i := range ops {
		if kind := ops[i].kind; kind == wire.OpCreateTTL && a.lacks(kind) {
			return fmt.Errorf("%w: %v", ErrUnsupported, kind)
		}
	}
	if inMulti(ops) && a.lacks(wire.OpMulti) {
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
func (e *Epoch) learnFrom(ctx context.Context, ops []Op, c *call) (bool, error) {
	a := e.link.capabilities
	if c.err == nil && !c.refused() {
		return false, nil
	}
	if !inMulti(ops) {
		a.learn(c)
		if a.sentDifferently(ops, c) || c.err == nil {
			return a.sentDifferently(ops, c), nil
		}
	}
	for i := range ops {
		switch kind := a.createKind(&ops[i]); kind {
		case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
			if err := e.probeCapability(ctx, kind); err != nil {
				return false, err
			}
		}
	}
	if inMulti(ops) && !a.sentDifferently(ops, c) {
		if err := e.probeCapability(ctx, wire.OpMulti); err != nil {
			return false, err
		}
	}
	return a.sentDifferently(ops, c), nil
}

// sentDifferently reports whether ops must now be sent in another form than in c.
func (a *capabilities) sentDifferently(ops []Op, c *call) bool {
	if m, ok := c.body.(*wire.MultiRequest); ok {
		for i := range ops {
			if m.Ops[i].Op != a.createKind(&ops[i]) {
				return true
			}
		}
	} else if c.op != a.createKind(&ops[0]) {
		return true
	}
	return a.unsupported(ops) != nil
}

// probeCapability finds out whether the servers refuse kind, unless that is known. Only one
// probe of a kind runs at a time, since a server may close the connection on it, which all
// requests of the session use.
func (e *Epoch) probeCapability(ctx context.Context, kind wire.Op) error {
	probing := &e.link.capabilities.probing
	if err := probing.lock(ctx, kind.String()); err != nil {
		return err
	}
	defer probing.unlock(kind.String())
	var tries attempts
	for !e.link.capabilities.lacks(kind) {
		c := e.harmlessRequest(kind)
		c.attempts = &tries
		if _, err := e.exchange(ctx, c); err != nil {
			return err
		}
		e.link.capabilities.learn(c)
		if !c.retryable() {
			break
		}
		e.throttle(ctx, c)
	}
	return nil
}

// harmlessRequest returns a small request of the given kind that changes nothing: a
// transaction with a check only, or a create of a node whose parent does not exist.
func (e *Epoch) harmlessRequest(kind wire.Op) *call {
	if kind == wire.OpMulti {
		root := wire.MultiOp{Op: wire.OpCheck, Body: &wire.PathVersion{Path: "/", Version: -1}}
		return newCall(kind, "/", &wire.MultiRequest{Ops: []wire.MultiOp{root}}, &wire.MultiResponse{})
	}
	op := OpCreate("/"+GUID()+"/n", nil)
	switch op.kind = kind; kind {
	case wire.OpCreateContainer:
		op.create.container = true
	case wire.OpCreateTTL:
		op.create.ttl = time.Hour
	}
	return newCall(kind, e.session.root.abs(op.path), op.record(e.session), &wire.CreateResponse{})
}
