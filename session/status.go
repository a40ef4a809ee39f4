package session

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
)

// State is the state of a session.
//
//	             connected                 connection lost
//	Connecting -------------> Connected <-------------------> Suspended
//	    ^                         |          reconnected          |
//	    |                         |                               | deadline passed, or
//	    |                         | deadline passed               | a server reports the expiry
//	    |      next epoch         v                               |
//	    +----------------------- Lost <---------------------------+
//
// Close leads from every state through Lost to Closed, the last state. Connecting
// leads to Suspended if the first connection breaks before the servers have accepted
// the session's credentials.
type State uint8

// The states of a session.
const (
	Connecting State = iota // no ZooKeeper session in this epoch yet
	Connected               // requests are sent
	Suspended               // no connection; the ZooKeeper session may live until Deadline
	Lost                    // the epoch has ended: a server reported it, Deadline passed, or Close was called
	Closed                  // Close is complete
)

var stateNames = []string{"connecting", "connected", "suspended", "lost", "closed"}

// String returns the state in lower case.
func (s State) String() string { return enum.Name("state", stateNames, s) }

// Status describes a session at one moment.
type Status struct {
	State    State
	Epoch    uint64    // the number of the epoch; 1 is the first
	ID       int64     // id of the ZooKeeper session; 0 before there is one
	Server   string    // host:port in use, or last tried; followed by " (ADDRESS)" if the host has several addresses
	Deadline time.Time // when leases end at the latest, unless a later proof moves it; zero before there is a session
	Err      error     // why State is not Connected

	permanent bool // no retry can help: Connect fails
}

// statusHistory delivers every status to every observer, in order. It is a linked
// list; each observer follows it at its own speed.
type statusHistory struct {
	mu  sync.Mutex
	now *statusNode
}

type statusNode struct {
	Status
	passed chan struct{} // closed when next is set
	next   *statusNode
}

func newStatusHistory(s Status) *statusHistory {
	return &statusHistory{now: &statusNode{Status: s, passed: make(chan struct{})}}
}

func (h *statusHistory) current() *statusNode {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *statusHistory) add(s Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := &statusNode{Status: s, passed: make(chan struct{})}
	h.now.next = next
	close(h.now.passed)
	h.now = next
}

// watch yields the current status and every later one, until ctx is done or the
// status is Closed, which is yielded too.
func (h *statusHistory) watch(ctx context.Context) iter.Seq[Status] {
	return func(yield func(Status) bool) {
		m := h.current()
		for yield(m.Status) && m.State != Closed {
			select {
			case <-m.passed:
				m = m.next
			case <-ctx.Done():
				return
			}
		}
	}
}
