package session

import (
	"errors"
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// call is one request and its outcome. The fields of the second group may be read only
// after done is closed.
type call struct {
	op       wire.Op
	path     string // for errors and hooks; with the chroot
	body     wire.Record
	reply    wire.Record
	onReply  func(*call) // runs in the goroutine that reads the connection, in the order of replies and events
	xid      int32
	sent     time.Time // just before it was given to the writer
	size     int       // of the frame
	attempts *attempts // shared with all calls that send the request again

	done    chan struct{}
	written bool      // it may have reached the server
	zxid    int64     // of the reply's header
	code    wire.Code // of the reply's header
	err     error     // the connection broke: there was no reply
}

func newCall(op wire.Op, path string, body, reply wire.Record) *call {
	return &call{op: op, path: path, body: body, reply: reply, attempts: &attempts{}, done: make(chan struct{})}
}

// result returns the error of a call that is done.
func (c *call) result() error {
	if c.err != nil {
		return c.err
	}
	if c.unsupported() || c.op == wire.OpCreateTTL && c.code == wire.CodeBadArguments {
		return fmt.Errorf("%w: %v", ErrUnsupported, c.op)
	}
	return codeToError(c.code)
}

// unsupported reports whether the server answered that it does not know the operation.
func (c *call) unsupported() bool { return c.err == nil && c.code == wire.CodeUnimplemented }

// refused reports whether the server refused c for its operation, and not because of the
// state of the nodes.
func (c *call) refused() bool {
	if c.err != nil {
		return errors.Is(c.err, ErrRejected)
	}
	if m, ok := c.reply.(*wire.MultiResponse); ok && len(m.Results) > 0 {
		return false // one of the ops failed
	}
	return c.code == wire.CodeUnimplemented || c.code == wire.CodeBadArguments
}

// retryable reports whether a finished call has no outcome: the connection broke, or the
// server did not execute the request.
func (c *call) retryable() bool {
	if c.err != nil {
		return !errors.Is(c.err, ErrRejected) && !errors.Is(c.err, ErrTooLarge) && !errors.Is(c.err, errAuthRequired)
	}
	switch c.code {
	case wire.CodeSessionMoved, wire.CodeThrottled, wire.CodeSessionExpired, wire.CodeConnectionLoss, wire.CodeOperationTimeout:
		return true
	}
	return false
}
