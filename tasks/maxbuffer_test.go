package tasks_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Tasks and results may be as large as the session's WithMaxBuffer allows.
func TestLargerTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const buffer = 4 << 20
		s := zktest.New(t, zktest.WithMaxBuffer(buffer)).Session(t, session.WithMaxBuffer(buffer))
		p := texts(s)
		defer leading(t, p)()
		defer working(t, p, "w", func(_ context.Context, k task) (string, error) { return k.Input, nil })()
		for _, n := range []int{3 << 20, p.MaxSize()} {
			in := strings.Repeat("x", n)
			wants(t, submit(t, p, in), in)
		}
	})
}
