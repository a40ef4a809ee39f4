package session

import (
	"errors"
	"fmt"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Errors to decide by, with errors.Is. Operations return them inside an
// *OpError, which says what was attempted and where.
var (
	// ErrClosed says that Close was called.
	ErrClosed = errors.New("session: closed")
	// ErrExpired says that the epoch is over: a server said that the session
	// expired, or the local deadline passed and the session was given up.
	ErrExpired = errors.New("session: expired")
	// ErrLost is the root of every error by which a recipe reports that ownership has
	// ended although its holder did not release it. It wraps the reason.
	ErrLost = errors.New("session: ownership lost")
	// ErrStale is the root of every error by which a recipe reports that what it shows
	// may be out of date. It wraps the reason if there is one.
	ErrStale = errors.New("session: may be out of date")
	// ErrUnknown says that a write may or may not have been committed, and that
	// nothing in the tree can tell any more.
	ErrUnknown = errors.New("session: outcome unknown")

	// ErrNoNode and the errors below are answers of the server.
	ErrNoNode                  = errors.New("session: no such node")
	ErrNodeExists              = errors.New("session: node already exists")
	ErrBadVersion              = errors.New("session: bad version")
	ErrNotEmpty                = errors.New("session: node has children")
	ErrNoAuth                  = errors.New("session: not authorised")
	ErrAuthFailed              = errors.New("session: authentication failed")
	ErrInvalidACL              = errors.New("session: invalid ACL")
	ErrNoChildrenForEphemerals = errors.New("session: ephemeral nodes may not have children")
	ErrQuota                   = errors.New("session: quota exceeded")
	// ErrSequenceEnd says that the parent has given out its last sequence number,
	// 2147483647, which real servers give to every later sequential child as well.
	// The error of a create whose name is taken for that reason is ErrNodeExists,
	// too. The numbers begin again when the parent has been removed while it is
	// empty; servers remove an empty container by themselves.
	ErrSequenceEnd = errors.New("session: the parent has given out its last sequence number, 2147483647 (the numbers begin again once the parent is empty and has been removed)")
	// ErrNoOwner says that a wait cannot end by itself, because it is for a node that
	// no session owns: one made by hand, by another tool, or by a restore. Session.Break
	// removes it.
	ErrNoOwner = errors.New("session: no session owns the node")
	// ErrOwned says that Break was called for a node that a session owns.
	ErrOwned = errors.New("session: a session owns the node")
	// ErrUnsupported says that the server does not know an operation that has no
	// replacement, or is set not to allow it. The error names it.
	ErrUnsupported = errors.New("session: not supported by the server")

	// ErrRejected says that the server has not served the request although it was sent
	// several times, alone at the end: it closed the connection, or its reply could
	// not be decoded. Either the request is longer than the server's jute.maxbuffer, or
	// the server does not know the operation. A write has not been committed, unless
	// the error is ErrUnknown, too.
	ErrRejected = errors.New("session: the server does not serve the request")
	// ErrTooLarge says that the server's reply is longer than the session accepts:
	// 256 MB, or what WithMaxBuffer says if that is more.
	ErrTooLarge = errors.New("session: reply too large")

	// ErrInvalid says that an argument was refused before anything was sent: a
	// path that ZooKeeper does not allow, an empty server list, a size over the
	// server's limit.
	ErrInvalid = errors.New("session: invalid argument")
)

// NewError returns an error with its own text that wraps root, for recipes: ErrLost of
// package lock wraps ErrLost.
func NewError(text string, root error) error { return &derivedError{text, root} }

type derivedError struct {
	text string
	root error
}

func (e *derivedError) Error() string { return e.text }
func (e *derivedError) Unwrap() error { return e.root }

// OpError is the error of a failed operation of this package or of a recipe. Its text
// names the package, the operation and the path: "session: set /a: bad version".
type OpError struct {
	Package string // that failed, "lock"; "session" if it is empty
	Op      string // what was attempted: "get", "create", "connect"
	Path    string // the node, or the connect string
	Err     error
}

// Error returns the package, the operation, the path and the reason. A reason of the
// same package or of package session does not name its package again, and one with
// the same path does not name that again.
func (e *OpError) Error() string {
	pkg := e.Package
	if pkg == "" {
		pkg = "session"
	}
	return pkg + ": " + e.Op + " " + e.Path + ": " + e.reason(pkg)
}

func (e *OpError) reason(pkg string) string {
	if inner, ok := e.Err.(*OpError); ok && inner.Path == e.Path {
		return inner.Op + ": " + inner.reason(pkg)
	}
	return strings.TrimPrefix(strings.TrimPrefix(e.Err.Error(), pkg+": "), "session: ")
}

// Unwrap gives the reason.
func (e *OpError) Unwrap() error { return e.Err }

// opError wraps err unless it is one already, so that an operation made of
// others reports the innermost.
func opError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	var oe *OpError
	if errors.As(err, &oe) {
		return err
	}
	return &OpError{Op: op, Path: path, Err: err}
}

// unknown is the ErrUnknown of an operation whose outcome could not be found out
// because of err. It does not name the request that failed to find out, which is not
// what the caller asked for.
func unknown(err error) error {
	var oe *OpError
	if errors.As(err, &oe) {
		err = oe.Err
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

// codeError is an answer of the server that has no sentinel.
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
	wire.CodeSASLRequired:           errAuthRequired,
}

// errAuthRequired is the answer of a server that demands credentials of every
// connection. It carries out nothing, reads no further and closes the connection.
var errAuthRequired = fmt.Errorf("%w: the server requires every client to authenticate (enforce.auth.enabled)", ErrNoAuth)

func codeToError(c wire.Code) error {
	if c == wire.OK {
		return nil
	}
	if err, ok := codeErrors[c]; ok {
		return err
	}
	return codeError(c)
}
