package session

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
)

// State says where a session is in its life.
type State uint8

// The states. A session goes from Connecting to Connected, between Connected
// and Suspended as connections break and come back, from either to Lost when
// its epoch ends, and from Lost to Connecting under the next epoch. Closed is
// the last state.
const (
	Connecting State = iota // no ZooKeeper session in this epoch yet
	Connected               // requests flow
	Suspended               // connection lost; the ZooKeeper session may live on until Deadline
	Lost                    // the epoch is over: a server said so, or Deadline passed
	Closed                  // Close was called
)

var stateNames = []string{"connecting", "connected", "suspended", "lost", "closed"}

// String is the state in lower case.
func (s State) String() string { return enum.Name("state", stateNames, s) }

// Status is what a session knows of itself at one moment.
type Status struct {
	State    State
	Epoch    uint64    // rises with every new ZooKeeper session; 1 is the first
	ID       int64     // ZooKeeper's id of the session, 0 before there is one
	Server   string    // host:port in use, or last tried; followed by " (ADDRESS)" if the host has several addresses
	Deadline time.Time // leases end here at the latest, unless a later proof moves it; zero before there is a session
	Err      error     // why State is not Connected

	hopeless bool // no retry can help: Connect need not go on
}

// statusHistory hands every status to every observer, in order. Each observer walks
// the chain at its own pace; what all have passed is garbage.
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

// watch yields the current status and every later one, until ctx ends or the
// session is closed; Closed is yielded.
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
