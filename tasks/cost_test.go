package tasks_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// What a task costs all who have to do with it does not depend on how many are
// finished or wait.
func TestCostDoesNotGrow(t *testing.T) {
	cost := func(done, waiting int) (requests, bytes float64) {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t)
			var total atomic.Int64
			measured := func() *session.Session {
				return srv.Session(t, session.WithHooks(session.Hooks{Request: func(r session.RequestInfo) { total.Add(int64(r.Sent + r.Received)) }}))
			}
			m, w, c := measured(), measured(), measured()
			owner := hand{t, srv.Session(t)}
			owner.setUp()
			for i := range done {
				made := owner.create(path+"/tasks/task-", fmt.Sprint(i), session.Sequential())
				owner.create(made+"/status", "done")
			}
			defer leading(t, texts(m))()
			p := texts(c)
			defer working(t, texts(w, tasks.WithConcurrency(2)), "w", func(context.Context, task) (string, error) {
				time.Sleep(10 * time.Second)
				return "", nil
			})()
			for range waiting {
				submit(t, p, "waits")
			}
			settle()
			srv.ResetRequests()
			total.Store(0)
			const n = 20
			for range n {
				submit(t, p, "x")
			}
			time.Sleep(100 * time.Second) // in which 20 are done, of those that have waited
			requests, bytes = float64(len(srv.Requests()))/n, float64(total.Load())/n
		})
		return requests, bytes
	}
	few, fewBytes := cost(40, 60)
	many, manyBytes := cost(4000, 2000)
	t.Logf("of few: %.1f requests and %.0f bytes a task; of many: %.1f and %.0f", few, fewBytes, many, manyBytes)
	// How many events one look takes note of is up to the scheduler.
	if many > few*1.25 || manyBytes > fewBytes*1.25 {
		t.Errorf("%.1f requests and %.0f bytes a task among few, and %.1f and %.0f among many", few, fewBytes, many, manyBytes)
	}
}
