package tasks_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A finished task that is removed while it is read is left out, and not listed as
// pending.
func TestListWhileTaskIsRemoved(t *testing.T) {
	srv := zktest.New(t)
	s, other := srv.Session(t), srv.Session(t)
	p := texts(other)
	lead := leading(t, p)
	work := working(t, p, "w", echo)
	k := submit(t, p, "x")
	wants(t, k, "x!")
	work()
	lead()
	id := s.Status().ID
	var once sync.Once
	var done atomic.Bool
	srv.Fault(func(r zktest.Request) zktest.Fault {
		read := r.Op == "getData" && strings.HasSuffix(r.Path, "/status")
		if r.Session != id || done.Load() || !read && r.Op != "connect" {
			return zktest.Pass
		}
		once.Do(func() {
			go func() {
				defer done.Store(true)
				task := path + "/tasks/" + k.ID()
				names, _, err := other.Children(t.Context(), task)
				if err != nil {
					t.Error(err)
				}
				for _, name := range append(names, "") {
					if err := other.Delete(t.Context(), strings.TrimSuffix(task+"/"+name, "/"), session.AnyVersion); err != nil {
						t.Error(err)
					}
				}
			}()
		})
		return zktest.Refuse
	})
	if infos, err := texts(s).List(t.Context()); err != nil || len(infos) != 0 {
		t.Errorf("listed %+v, %v", infos, err)
	}
}
