package faulttable

import (
	"sync"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// Limit returns f with a limit for random faults: a request that has lost its
// connection twice in a row passes. A server that closes the connection on the same
// request three times rejects that request, which sessions report as
// session.ErrRejected.
func Limit(f func(zktest.Request) zktest.Fault) func(zktest.Request) zktest.Fault {
	type request struct {
		session  int64
		op, path string
	}
	var mu sync.Mutex
	closed := make(map[request]int)
	return func(r zktest.Request) zktest.Fault {
		mu.Lock()
		defer mu.Unlock()
		k := request{r.Session, r.Op, r.Path}
		if closed[k] == 2 {
			delete(closed, k)
			return zktest.Pass
		}
		fault := f(r)
		switch fault {
		case zktest.DropReply, zktest.Refuse, zktest.Cut:
			closed[k]++
		default:
			delete(closed, k)
		}
		return fault
	}
}
