package tasks

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

const (
	statusDone   = "done"
	statusFailed = "failed"
)

// maxMessage bounds the message of a failure, in bytes.
const maxMessage = 4 << 10

// failure is the status of a task that has failed.
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

// outcome reads a status: nil is done. Whatever stands there, the task is finished.
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

// history is what a task's attempts node holds: what has been tried in vain.
type history struct {
	Attempts int           `json:"attempts"`
	Error    string        `json:"error,omitempty"` // of the last
	Pause    time.Duration `json:"pause,omitempty"` // before the next, in nanoseconds

	version int32 // of the node; noNode if there is none
}

const noNode = -1

// readHistory reads an attempts node. What cannot be read counts as nothing.
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

// op writes what comes next.
func (h history) op(path string, next history) session.Op {
	next.Error = shorten(next.Error)
	data, err := json.Marshal(next)
	if err != nil {
		panic(err) // numbers and a string
	}
	if h.version == noNode {
		return session.OpCreate(path, data)
	}
	return session.OpSet(path, data, h.version)
}
