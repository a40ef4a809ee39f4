package config

import (
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/session"
)

// Errors of Err and Watch that callers test for with errors.Is. Others are
// session.ErrNoNode, session.ErrNoAuth and *DecodeError: the value shown is not the
// one that is stored now.
var (
	// ErrClosed is returned after Close.
	ErrClosed = session.NewError("config: closed", session.ErrClosed)
	// ErrStale is returned while changes may have been missed: the session is not
	// connected, everything is being read again, or the reads cannot keep up with the
	// changes. It wraps the reason if there is one.
	ErrStale = session.NewError("config: may be out of date", session.ErrStale)
)

// joinStale joins what is wrong with a value and the reason why there may be later
// values. Both may come from the same view.
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

// DecodeError is returned if a node does not hold a value.
type DecodeError struct {
	Path string
	Zxid session.Zxid // of the transaction that wrote it
	Err  error        // of the codec
}

// Error returns the node, the transaction that wrote it, and the codec's error.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("config: %s, written by %v, does not hold a value: %v", e.Path, e.Zxid, e.Err)
}

// Unwrap returns the codec's error.
func (e *DecodeError) Unwrap() error { return e.Err }
