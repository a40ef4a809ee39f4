package queue_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// The only item is removed between the listing and the read, after another one was
// pushed. The queue was never empty.
func TestPeekWhileItemsComeAndGo(t *testing.T) {
	srv := zktest.New(t)
	s := srv.Session(t)
	a, b := texts(s), texts(srv.Session(t))
	mustPush(t, b, "x")
	id := s.Status().ID
	var once sync.Once
	var done atomic.Bool
	srv.Fault(func(r zktest.Request) zktest.Fault {
		listed := r.Op == "getData" && strings.Contains(r.Path, "/items/")
		if r.Session != id || done.Load() || !listed && r.Op != "connect" {
			return zktest.Pass
		}
		once.Do(func() {
			go func() {
				mustPush(t, b, "y")
				mustPop(t, b, "x")
				done.Store(true)
			}()
		})
		return zktest.Refuse
	})
	if v, err := a.Peek(t.Context()); v != "y" || err != nil {
		t.Errorf("Peek: %q, %v", v, err)
	}
}
