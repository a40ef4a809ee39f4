package conn

import (
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// The errors of servers and of connections. Package session exports them, with what they
// mean to callers, so their texts name that package.
var (
	ErrExpired                 = errors.New("session: expired")
	ErrNoNode                  = errors.New("session: no such node")
	ErrNodeExists              = errors.New("session: node already exists")
	ErrBadVersion              = errors.New("session: bad version")
	ErrNotEmpty                = errors.New("session: node has children")
	ErrNoAuth                  = errors.New("session: not authorized")
	ErrAuthFailed              = errors.New("session: authentication failed")
	ErrInvalidACL              = errors.New("session: invalid ACL")
	ErrNoChildrenForEphemerals = errors.New("session: ephemeral nodes may not have children")
	ErrQuota                   = errors.New("session: quota exceeded")
	ErrUnsupported             = errors.New("session: not supported by the server")
	ErrRejected                = errors.New("session: the server does not serve the request")
	ErrTooLarge                = errors.New("session: reply too large")
)

// codeError is an error code of the server without a sentinel.
type codeError wire.Code

func (c codeError) Error() string { return "session: " + wire.Code(c).String() }

var codeErrors = map[wire.Code]error{
	wire.CodeNoNode:                 ErrNoNode,
	wire.CodeNodeExists:             ErrNodeExists,
	wire.CodeBadVersion:             ErrBadVersion,
	wire.CodeNotEmpty:               ErrNotEmpty,
	wire.CodeNoAuth:                 ErrNoAuth,
	wire.CodeAuthFailed:             ErrAuthFailed,
	wire.CodeInvalidACL:             ErrInvalidACL,
	wire.CodeNoChildrenForEphemeral: ErrNoChildrenForEphemerals,
	wire.CodeQuotaExceeded:          ErrQuota,
	wire.CodeUnimplemented:          ErrUnsupported,
	wire.CodeSessionExpired:         ErrExpired,
	wire.CodeSASLRequired:           ErrAuthRequired,
}

// ErrAuthRequired is the error of a server that requires credentials on every
// connection. The server executes nothing, reads no further and closes the connection.
var ErrAuthRequired = fmt.Errorf("%w: the server requires every client to authenticate (enforce.auth.enabled)", ErrNoAuth)

// ErrorOf returns the error of a code, or nil for wire.OK.
func ErrorOf(c wire.Code) error {
	if c == wire.OK {
		return nil
	}
	if err, ok := codeErrors[c]; ok {
		return err
	}
	return codeError(c)
}
