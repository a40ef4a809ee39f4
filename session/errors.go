package session

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/conn"
)

// The errors of the package, to be tested with errors.Is. Operations return them in an
// *OpError, which names the operation and the path.
var (
	// ErrClosed is returned after Close was called.
	ErrClosed = errors.New("session: closed")
	// ErrExpired is returned if the epoch has ended: a server reported that the
	// ZooKeeper session has expired, or the local deadline has passed.
	ErrExpired = conn.ErrExpired
	// ErrLost is the root of every error by which a recipe reports that ownership has
	// ended although its holder did not release it. It wraps the reason.
	ErrLost = errors.New("session: ownership lost")
	// ErrStale is the root of every error by which a recipe reports that a view may be
	// out of date. It wraps the reason if there is one.
	ErrStale = errors.New("session: may be out of date")
	// ErrUnknown is returned if a write may or may not have been committed, and the
	// nodes do not show which.
	ErrUnknown = errors.New("session: outcome unknown")

	// ErrNoNode and the errors below are errors that the server returns.
	ErrNoNode                  = conn.ErrNoNode
	ErrNodeExists              = conn.ErrNodeExists
	ErrBadVersion              = conn.ErrBadVersion
	ErrNotEmpty                = conn.ErrNotEmpty
	ErrNoAuth                  = conn.ErrNoAuth
	ErrAuthFailed              = conn.ErrAuthFailed
	ErrInvalidACL              = conn.ErrInvalidACL
	ErrNoChildrenForEphemerals = conn.ErrNoChildrenForEphemerals
	ErrQuota                   = conn.ErrQuota
	// ErrSequenceEnd is returned if the parent has assigned its last sequence number,
	// 2147483647, which real servers assign to every later sequential child as well.
	// The error of a create that fails for that reason is ErrNodeExists, too. The
	// numbers begin again when the empty parent has been deleted and created again;
	// servers delete an empty container by themselves.
	ErrSequenceEnd = errors.New("session: the parent has given out its last sequence number, 2147483647 (the numbers begin again once the parent is empty and has been removed)")
	// ErrNoOwner is returned if a wait cannot end by itself, because it is for an
	// ownerless node: one that was created by hand, by another tool, or by a restore.
	// Session.Break deletes it.
	ErrNoOwner = errors.New("session: no session owns the node")
	// ErrOwned is returned by Break for a node that a ZooKeeper session owns.
	ErrOwned = errors.New("session: a session owns the node")
	// ErrUnsupported is returned if the server does not know an operation that has no
	// replacement, or is configured not to allow it. The error names the operation.
	ErrUnsupported = conn.ErrUnsupported

	// ErrRejected is returned if the server did not serve the request although it was
	// sent several times, at the end with no other request in flight: the server closed
	// the connection, or its reply could not be decoded. Either the request is longer
	// than the server's jute.maxbuffer, or the server does not know the operation. A
	// write has not been committed, unless the error is ErrUnknown, too.
	ErrRejected = conn.ErrRejected
	// ErrTooLarge is returned if the server's reply is longer than the session accepts:
	// 256 MB, or the size of WithMaxBuffer if that is more.
	ErrTooLarge = conn.ErrTooLarge

	// ErrInvalid is returned for a bad argument, before anything is sent: a path that
	// ZooKeeper does not allow, an empty server list, a size over the server's limit.
	ErrInvalid = errors.New("session: invalid argument")
)

// NewError returns an error with the given text that wraps root. Only recipes need it:
// lock.ErrLost, for example, wraps ErrLost.
func NewError(text string, root error) error { return &derivedError{text, root} }

type derivedError struct {
	text string
	root error
}

func (e *derivedError) Error() string { return e.text }
func (e *derivedError) Unwrap() error { return e.root }

// OpError is the error of an operation of this package or of a recipe. Its text names
// the package, the operation, the path and the reason: "session: set /a: bad version".
type OpError struct {
	Package string // the package that failed, such as "lock"; empty for "session"
	Op      string // the operation: "get", "create", "connect"
	Path    string // the node, or the connect string
	Err     error
}

// Error returns the package, the operation, the path and the reason. A reason of the
// same package or of package session does not name its package again, and one with
// the same path does not name that again.
func (e *OpError) Error() string {
	pkg := cmp.Or(e.Package, "session")
	return pkg + ": " + strings.TrimSpace(e.Op+" "+e.Path) + ": " + e.reason(pkg)
}

func (e *OpError) reason(pkg string) string {
	if inner, ok := e.Err.(*OpError); ok && inner.Path == e.Path {
		return inner.Op + ": " + inner.reason(pkg)
	}
	return strings.TrimPrefix(strings.TrimPrefix(e.Err.Error(), pkg+": "), "session: ")
}

// Unwrap returns the reason.
func (e *OpError) Unwrap() error { return e.Err }

// opError wraps err in an OpError unless it wraps one already, so that an operation
// that calls other operations reports the innermost.
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

// unknown returns the ErrUnknown of an operation whose outcome could not be found out
// because of err. It does not name the request that failed with err, since that is not
// the caller's operation.
func unknown(err error) error {
	var oe *OpError
	if errors.As(err, &oe) {
		err = oe.Err
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}
