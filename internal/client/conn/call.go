package conn

import (
	"errors"
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Call is one request and its reply or error. The fields of the second group may be read when
// the call is done.
type Call struct {
	Op    wire.Op
	Path  string // for errors and hooks; with the chroot
	Body  wire.Record
	Reply wire.Record // the reply is decoded into it
	Tries *Tries      // shared with all calls that send the request again

	Sent    time.Time // just before it was given to the writer
	Size    int       // of the frame
	Written bool      // it may have reached the server
	Zxid    int64     // of the reply's header
	Code    wire.Code // of the reply's header
	Err     error     // the connection broke: there was no reply

	xid     int32
	onReply func(*Call) // runs in the goroutine that reads the connection, in the order of replies and events
	done    chan struct{}
}

// NewCall returns a call with separate Attempts.
func NewCall(op wire.Op, path string, body, reply wire.Record) *Call {
	return &Call{Op: op, Path: path, Body: body, Reply: reply, Tries: &Tries{}, done: make(chan struct{})}
}

// Result returns the error of a call that is done.
func (c *Call) Result() error {
	if c.Err != nil {
		return c.Err
	}
	if c.unsupported() || c.Op == wire.OpCreateTTL && c.Code == wire.CodeBadArguments {
		return fmt.Errorf("%w: %v", ErrUnsupported, c.Op)
	}
	return ErrorOf(c.Code)
}

// unsupported reports whether the server answered that it does not know the operation.
func (c *Call) unsupported() bool { return c.Err == nil && c.Code == wire.CodeUnimplemented }

// Refused reports whether the server refused c for its operation, and not because of the
// state of the nodes.
func (c *Call) Refused() bool {
	if c.Err != nil {
		return errors.Is(c.Err, ErrRejected)
	}
	if m, ok := c.Reply.(*wire.MultiResponse); ok && len(m.Results) > 0 {
		return false // one of the ops failed
	}
	return c.Code == wire.CodeUnimplemented || c.Code == wire.CodeBadArguments
}

// Retryable reports whether the end of a call does not answer the request: the connection
// broke, so that the outcome of a write is not known, or the server did not execute the
// request.
func (c *Call) Retryable() bool {
	if c.Err != nil {
		return !errors.Is(c.Err, ErrRejected) && !errors.Is(c.Err, ErrTooLarge) && !errors.Is(c.Err, ErrAuthRequired)
	}
	switch c.Code {
	case wire.CodeSessionMoved, wire.CodeThrottled, wire.CodeSessionExpired, wire.CodeConnectionLoss, wire.CodeOperationTimeout:
		return true
	}
	return false
}
