package conn

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/keyed"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// capabilities records the operations that the servers have refused. The session can
// replace most of them. A server refuses an operation with an error code, or it closes
// the connection each time, which ends in ErrRejected.
type capabilities struct {
	probing keyed.Mutex // by the name of the operation
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

// learn records that the servers refuse the operation of c if the result of c shows that.
func (a *capabilities) learn(c *Call) {
	switch {
	case !c.Refused():
		return
	case errors.Is(c.Err, ErrRejected) && c.Size > safeRequestSize:
		return
	case c.Op == wire.OpCreateTTL && c.Err == nil:
		return // a setting of the servers, which may change
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refused == nil {
		a.refused = make(map[wire.Op]bool)
	}
	a.refused[c.Op] = true
}

// Lacks reports whether the servers are known to refuse op.
func (cc *Conn) Lacks(op wire.Op) bool { return cc.capabilities.lacks(op) }

// Learn records that the servers refuse the operation of c if the result of c shows that.
func (cc *Conn) Learn(c *Call) { cc.capabilities.learn(c) }

// Probe finds out whether the servers refuse kind, unless that is known. Only one probe of
// a kind runs at a time, since a server may close the connection on it, which all requests
// of the session use.
func (cc *Conn) Probe(ctx context.Context, kind wire.Op) error {
	probing := &cc.capabilities.probing
	if err := probing.Lock(ctx, kind.String()); err != nil {
		return err
	}
	defer probing.Unlock(kind.String())
	var tries Tries
	for !cc.capabilities.lacks(kind) {
		c := cc.harmlessRequest(kind)
		c.Tries = &tries
		if _, err := cc.Exchange(ctx, c); err != nil {
			return err
		}
		cc.capabilities.learn(c)
		if !c.Retryable() {
			break
		}
		cc.Throttle(ctx, c)
	}
	return nil
}

// harmlessRequest returns a small request of the given kind that changes nothing: a
// transaction with a check only, or a create of a node whose parent does not exist.
func (cc *Conn) harmlessRequest(kind wire.Op) *Call {
	if kind == wire.OpMulti {
		root := wire.MultiOp{Op: wire.OpCheck, Body: &wire.PathVersion{Path: "/", Version: -1}}
		return NewCall(kind, "/", &wire.MultiRequest{Ops: []wire.MultiOp{root}}, &wire.MultiResponse{})
	}
	req := &wire.CreateRequest{Path: cc.cfg.Root + "/" + rand.Text() + "/n", Data: []byte{}, ACL: cc.cfg.ACL}
	switch kind {
	case wire.OpCreateContainer:
		req.Flags = wire.FlagContainer
	case wire.OpCreateTTL:
		req.Flags, req.TTL, req.HasTTL = wire.FlagTTL, time.Hour.Milliseconds(), true
	}
	return NewCall(kind, req.Path, req, &wire.CreateResponse{})
}
