package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// capabilities are the operations that the servers have refused. Most of them the
// session can replace. A server refuses an operation with an error code, or it closes
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

// safeRequestSize is a size of requests that every server takes, whatever its
// jute.maxbuffer. A rejected request that is no longer was rejected for what it is.
const safeRequestSize = 64 << 10

// learn notes that the servers refuse the operation of c if the outcome of c says so.
func (a *capabilities) learn(c *call) {
	switch {
	case !c.refused():
		return
	case errors.Is(c.err, ErrRejected) && c.size > safeRequestSize:
		return
	case c.op == wire.OpCreateTTL && c.err == nil:
		return // it is a setting of the servers, which may change
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refused == nil {
		a.refused = make(map[wire.Op]bool)
	}
	a.refused[c.op] = true
}

// refused reports whether the server would not carry out c for what it is, rather than
// for what it found in the tree.
func (c *call) refused() bool {
	if c.err != nil {
		return errors.Is(c.err, ErrRejected)
	}
	if m, ok := c.reply.(*wire.MultiResponse); ok && len(m.Results) > 0 {
		return false // it is one of its parts that failed
	}
	return c.code == wire.CodeUnimplemented || c.code == wire.CodeBadArguments
}

// createKind is the kind of request with which op is created on these servers: a
// container becomes a persistent node where there are none, and create stands for
// create2 where that is refused.
func (a *capabilities) createKind(op *Op) wire.Op {
	if (op.kind == wire.OpCreateContainer || op.kind == wire.OpCreate2) && a.lacks(op.kind) {
		return wire.OpCreate
	}
	return op.kind
}

// unsupported is the error of ops if they need an operation that the servers are known
// to refuse and that has no replacement.
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

// inMulti reports whether ops are sent as a transaction. A check is, even alone: by
// itself it is not among the operations of every server.
func inMulti(ops []Op) bool { return len(ops) > 1 || ops[0].kind == wire.OpCheck }

// learnFrom notes which of the operations that ops consist of the servers refuse, after
// c, which carried ops, has been refused or lost. It reports whether ops are now sent in
// another form than in c, or fail with ErrUnsupported.
//
// If c does not tell, because it may have been refused for one of its parts or for its
// size, or lost for another reason, each operation is sent in a small request that
// changes nothing. What is refused now is taken to have been refused before: the servers
// of an ensemble know the same operations.
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

// sentDifferently reports whether ops are not to be sent as they were in c.
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

// probeCapability finds out whether the servers refuse kind, unless that is known. Callers do so one
// after the other, since the connections that a server closes are those of all others.
func (e *Epoch) probeCapability(ctx context.Context, kind wire.Op) error {
	asking := &e.link.capabilities.probing
	if err := asking.lock(ctx, kind.String()); err != nil {
		return err
	}
	defer asking.unlock(kind.String())
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

// harmlessRequest is a small request of the given kind that changes nothing: a transaction
// that only checks, or the create of a node whose parent does not exist.
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
