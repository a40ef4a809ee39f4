package config

import (
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/session"
)

// Errors of Err and Watch, to decide by with errors.Is. Beside them there are
// session.ErrNoNode, session.ErrNoAuth and *DecodeError, which say that what is
// shown is not what is stored now.
var (
	// ErrClosed says that Close was called.
	ErrClosed = session.NewError("config: closed", session.ErrClosed)
	// ErrStale says that there may be changes that have not been seen: the session
	// is not connected, or reads everything again, or cannot keep up. It wraps the
	// reason if there is one.
	ErrStale = session.NewError("config: may be out of date", session.ErrStale)
)

// joinStale is the error of what is wrong with a value beside the reason why there may be
// later ones. A view knows of some of the former, too.
func joinStale(wrong, stale error) error {
	switch {
	case wrong == nil:
		return stale
	case stale == nil || !errors.Is(stale, ErrStale):
		return wrong
	default:
		return fmt.Errorf("%w (%w)", wrong, stale)
	}
}

// DecodeError says that a node does not hold a value.
type DecodeError struct {
	Path string
	Zxid session.Zxid // of the transaction that wrote it
	Err  error        // of the codec
}

// Error says which node it is, and why.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("config: %s, written by %v, holds no value: %v", e.Path, e.Zxid, e.Err)
}

// Unwrap gives the reason.
func (e *DecodeError) Unwrap() error { return e.Err }
