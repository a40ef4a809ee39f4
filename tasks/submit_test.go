package tasks_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// If the reply of a Submit is lost and the task's id cannot be looked up, the error is
// session.ErrUnknown and names the reason. The task was submitted.
func TestSubmitWithoutID(t *testing.T) {
	errStop := errors.New("stop")
	for _, tt := range []struct {
		name   string
		during func(t *testing.T, operator *session.Session, task string, stop context.CancelCauseFunc)
		want   error
		left   int // tasks
	}{
		{"task is removed", func(t *testing.T, operator *session.Session, task string, _ context.CancelCauseFunc) {
			if err := operator.Delete(t.Context(), task, session.AnyVersion); err != nil {
				t.Error(err)
			}
		}, tasks.ErrNoTask, 1},
		{"ctx is done", func(_ *testing.T, _ *session.Session, _ string, stop context.CancelCauseFunc) {
			stop(errStop)
		}, errStop, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				s, operator := srv.Session(t), srv.Session(t)
				p := texts(s)
				first := submit(t, p, "first")
				srv.Inject(zktest.Rule{Op: "multi", Session: s.Status().ID, Nth: 1, Fault: zktest.DropReply})
				srv.Inject(zktest.Rule{Op: "getChildren2", Session: s.Status().ID, Delay: time.Second})
				ctx, stop := context.WithCancelCause(t.Context())
				defer stop(nil)
				result := make(chan error)
				go func() {
					_, err := p.Submit(ctx, "second")
					result <- err
				}()
				var other string
				for other == "" {
					time.Sleep(10 * time.Millisecond)
					for _, name := range testkit.Children(t, operator, path+"/tasks") {
						if name != first.ID() {
							other = session.Join(path+"/tasks", name)
						}
					}
				}
				for looking := false; !looking; {
					time.Sleep(10 * time.Millisecond)
					for _, q := range srv.Requests() {
						looking = looking || q.Op == "getChildren2" && q.Session == s.Status().ID
					}
				}
				tt.during(t, operator, other, stop)
				err := <-result
				testkit.WantError(t, err, session.ErrUnknown)
				testkit.WantError(t, err, tt.want)
				if names := testkit.Children(t, operator, path+"/tasks"); len(names) != tt.left {
					t.Errorf("tasks: %q, want %d", names, tt.left)
				}
			})
		})
	}
}
