package tasks

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/batch"
	"github.com/zkrecipes/zkrecipes/session"
)

const (
	statusDone   = "done"
	statusFailed = "failed"
)

// maxMessage is the largest size of a failure's message, in bytes.
const maxMessage = 4 << 10

// failure returns the status of a failed task.
func failure(message string) []byte {
	return []byte(statusFailed + ": " + shorten(message))
}

func shorten(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	const more = "..."
	return strings.ToValidUTF8(message[:maxMessage-len(more)], "") + more
}

// outcome parses a status. It returns nil for a task that is done, and a TaskError
// for any other content.
func outcome(task string, status []byte) error {
	s := string(status)
	if s == statusDone {
		return nil
	}
	message, failed := strings.CutPrefix(s, statusFailed)
	if message, ok := strings.CutPrefix(message, ":"); failed && (ok || message == "") {
		return &TaskError{task, strings.TrimPrefix(message, " ")}
	}
	return &TaskError{task, fmt.Sprintf("its status is %q", shorten(s))}
}

// history is the content of a task's attempts node: its failed attempts.
type history struct {
	Attempts int           `json:"attempts"`
	Error    string        `json:"error,omitempty"` // of the last attempt
	Pause    time.Duration `json:"pause,omitempty"` // before the next attempt, in nanoseconds

	version int32 // of the node; noNode if there is none
}

const noNode = -1

// readHistory parses an attempts node. A node that cannot be parsed counts as no
// attempts.
func readHistory(n session.Node) (h history) {
	if n.Err != nil {
		return history{version: noNode}
	}
	if json.Unmarshal(n.Data, &h) != nil || h.Attempts < 0 || h.Pause < 0 {
		h = history{}
	}
	h.version = n.Stat.Version
	return h
}

// write adds to w the operation that replaces h by next.
func (h history) write(w *batch.Write, path string, next history) {
	next.Error = shorten(next.Error)
	data, err := json.Marshal(next)
	if err != nil {
		panic(err) // numbers and a string
	}
	if h.version == noNode {
		w.Create(path, data)
	} else {
		w.Set(path, data, h.version)
	}
}
