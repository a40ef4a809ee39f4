package tasks

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// paths is where the nodes of a pool are: path is the pool's.
type paths struct{ path string }

func (t paths) master() string                    { return session.Join(t.path, "master") }
func (t paths) workers() string                   { return session.Join(t.path, "workers") }
func (t paths) worker(id string) string           { return session.Join(t.workers(), id) }
func (t paths) inboxes() string                   { return session.Join(t.path, "assign") }
func (t paths) inbox(id string) string            { return session.Join(t.inboxes(), id) }
func (t paths) assignment(id, task string) string { return session.Join(t.inbox(id), task) }
func (t paths) claim(id, task string) string      { return t.assignment(id, task) + "/claim" }
func (t paths) tasks() string                     { return session.Join(t.path, "tasks") }
func (t paths) task(task string) string           { return session.Join(t.tasks(), task) }
func (t paths) status(task string) string         { return t.task(task) + "/status" }
func (t paths) result(task string) string         { return t.task(task) + "/result" }
func (t paths) attempts(task string) string       { return t.task(task) + "/attempts" }

// taskPrefix is what the names of tasks begin with; a number follows.
const taskPrefix = "task-"

func taskName(number int32) string { return fmt.Sprintf("%s%010d", taskPrefix, number) }

// taskNumber tells the tasks from other children.
func taskNumber(name string) (int32, bool) {
	digits, ok := strings.CutPrefix(name, taskPrefix)
	n, err := strconv.ParseInt(digits, 10, 32)
	if !ok || err != nil || taskName(int32(n)) != name {
		return 0, false
	}
	return int32(n), true
}

// isLastNumber reports whether the name of a task may have been that of another one before:
// servers repeat the last number.
func isLastNumber(name string) bool {
	n, ok := taskNumber(name)
	return ok && sequence.PastEnd(n)
}

// capacity is how many tasks the worker of an inbox takes at a time. An inbox that
// somebody has made by hand does not say so, and gets one at a time.
func capacity(inbox []byte) (n int, ours bool) {
	n, err := strconv.Atoi(string(inbox))
	if err != nil || n <= 0 {
		return 1, false
	}
	return n, true
}
