package tasks

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// paths returns the paths of a pool's nodes. path is the pool's path.
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

// taskPrefix is the name of a task without its number.
const taskPrefix = "task-"

func taskName(number int32) string { return fmt.Sprintf("%s%010d", taskPrefix, number) }

// taskNumber returns the number of a task, and false if name is not that of a task.
func taskNumber(name string) (int32, bool) {
	digits, ok := strings.CutPrefix(name, taskPrefix)
	n, err := strconv.ParseInt(digits, 10, 32)
	if !ok || err != nil || taskName(int32(n)) != name {
		return 0, false
	}
	return int32(n), true
}

// isLastNumber reports whether an earlier task may have had the same name: servers
// repeat the last number.
func isLastNumber(name string) bool {
	n, ok := taskNumber(name)
	return ok && sequence.PastEnd(n)
}

// capacity returns how many tasks the worker of an inbox takes at a time. An inbox
// without that number was created by hand; its worker takes one.
func capacity(inbox []byte) (n int, ours bool) {
	n, err := strconv.Atoi(string(inbox))
	if err != nil || n <= 0 {
		return 1, false
	}
	return n, true
}
