package tasks_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Finished tasks are kept for the time given to WithRetention, whatever the
// servers' clock shows, also if it is set during a term.
func TestKeepWithAnotherClockOfTheServers(t *testing.T) {
	for _, difference := range []time.Duration{-10 * time.Minute, -2 * time.Minute, 0, 2 * time.Minute, 10 * time.Minute} {
		t.Run(fmt.Sprint(difference), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				srv.JumpClock(difference)
				p := texts(srv.Session(t), tasks.WithRetention(100, time.Minute))
				defer leading(t, p)()
				defer working(t, p, "w", func(_ context.Context, k task) (string, error) { return k.Input, nil })()
				count := func() int { synctest.Wait(); return strings.Count(srv.Tree(), "/status ") }
				for round := range 3 {
					for i := range 10 {
						wants(t, submit(t, p, fmt.Sprint(i)), fmt.Sprint(i))
					}
					time.Sleep(59 * time.Second)
					if n := count(); n != 10 {
						t.Errorf("round %d: %d of 10 finished tasks are kept after 59 s", round, n)
					}
					time.Sleep(3 * time.Second)
					if n := count(); n != 0 {
						t.Errorf("round %d: %d finished tasks are kept after 62 s", round, n)
					}
					srv.JumpClock(-time.Second) // another leader, with another clock
				}
			})
		})
	}
}
