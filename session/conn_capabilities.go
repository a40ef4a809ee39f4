package session

import (
	"context"
	"crypto/rand"
	"errors"
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

// Lacks reports whether the servers are known to refuse op.
func (l *link) Lacks(op wire.Op) bool { return l.capabilities.lacks(op) }

// Learn records that the servers refuse the operation of c if the outcome of c shows that.
func (l *link) Learn(c *call) { l.capabilities.learn(c) }

// Probe finds out whether the servers refuse kind, unless that is known. Only one probe of
// a kind runs at a time, since a server may close the connection on it, which all requests
// of the session use.
func (l *link) Probe(ctx context.Context, kind wire.Op) error {
	probing := &l.capabilities.probing
	if err := probing.lock(ctx, kind.String()); err != nil {
		return err
	}
	defer probing.unlock(kind.String())
	var tries attempts
	for !l.capabilities.lacks(kind) {
		c := l.harmlessRequest(kind)
		c.attempts = &tries
		if _, err := l.Exchange(ctx, c); err != nil {
			return err
		}
		l.capabilities.learn(c)
		if !c.retryable() {
			break
		}
		l.Throttle(ctx, c)
	}
	return nil
}

// harmlessRequest returns a small request of the given kind that changes nothing: a
// transaction with a check only, or a create of a node whose parent does not exist.
func (l *link) harmlessRequest(kind wire.Op) *call {
	if kind == wire.OpMulti {
		root := wire.MultiOp{Op: wire.OpCheck, Body: &wire.PathVersion{Path: "/", Version: -1}}
		return newCall(kind, "/", &wire.MultiRequest{Ops: []wire.MultiOp{root}}, &wire.MultiResponse{})
	}
	req := &wire.CreateRequest{Path: l.cfg.Root + "/" + rand.Text() + "/n", Data: []byte{}, ACL: l.cfg.ACL}
	switch kind {
	case wire.OpCreateContainer:
		req.Flags = wire.FlagContainer
	case wire.OpCreateTTL:
		req.Flags, req.TTL, req.HasTTL = wire.FlagTTL, time.Hour.Milliseconds(), true
	}
	return newCall(kind, req.Path, req, &wire.CreateResponse{})
}
