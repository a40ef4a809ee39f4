package faulttable

import (
	"slices"
	"sync"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// Limit returns f with a limit for random faults. A server that closes the connection
// each time that a request is sent rejects that request, which sessions report as
// session.ErrRejected. So 32 requests pass on a connection that follows another or
// belongs to a new session, among them those that the last connection has left
// outstanding. A removeWatches always passes: a session sends no more of them after one
// was rejected, and takes all of them for one request.
func Limit(f func(zktest.Request) zktest.Fault) func(zktest.Request) zktest.Fault {
	ofConnection := []string{"connect", "auth", "ping", "setWatches", "setWatches2"}
	var mu sync.Mutex
	passed := make(map[int64]int) // by session, since it has connected
	return func(r zktest.Request) zktest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if r.Op == "connect" {
			passed[r.Session] = 0
		}
		if passed[r.Session] < 32 || r.Op == "removeWatches" {
			if !slices.Contains(ofConnection, r.Op) {
				passed[r.Session]++
			}
			return zktest.Pass
		}
		return f(r)
	}
}
