package session

import (
	"errors"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/wire"
)

// abilities are the operations that the servers of a session have refused and that
// the session can replace. A server refuses an operation with an error code, or it
// closes the connection each time, which ends in ErrRejected.
type abilities struct {
	mu      sync.Mutex
	refused map[wire.Op]bool
}

// lacks reports whether the servers are known to refuse op.
func (a *abilities) lacks(op wire.Op) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refused[op]
}

// surelyTaken is a size of requests that every server takes, whatever its
// jute.maxbuffer. A rejected request that is no longer was rejected for what it is.
const surelyTaken = 64 << 10

// learn notes that the servers refuse op if the outcome of c, a request that
// contains op, says so. It reports whether that is new.
func (a *abilities) learn(op wire.Op, c *call) bool {
	switch {
	case errors.Is(c.err, ErrRejected):
		if c.size > surelyTaken {
			return false
		}
	case c.err != nil:
		return false
	case c.code != wire.CodeUnimplemented && c.code != wire.CodeBadArguments:
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refused == nil {
		a.refused = make(map[wire.Op]bool)
	}
	known := a.refused[op]
	a.refused[op] = true
	return !known
}

// form is the kind of request with which op is created on these servers: a
// container becomes a persistent node where there are none, and create stands for
// create2 where that is refused.
func (a *abilities) form(op *Op) wire.Op {
	switch {
	case op.kind == wire.OpCreateContainer && a.lacks(wire.OpCreateContainer):
		return wire.OpCreate
	case op.kind == wire.OpCreate2 && a.lacks(wire.OpCreate2):
		return wire.OpCreate
	}
	return op.kind
}
