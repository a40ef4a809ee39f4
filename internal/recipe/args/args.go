// Package args checks the arguments of constructors. Constructors return no error;
// every later call returns the error of Check instead.
package args

import (
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/session"
)

// Check returns an OpError of pkg for the first bad argument: a nil session, one of
// others that is not nil, or a bad path. It wraps session.ErrInvalid if others do.
func Check(pkg string, s *session.Session, path string, others ...error) error {
	return CheckPath(pkg, path, append([]error{NotNil("the session", s == nil)}, others...)...)
}

// CheckPath is Check without a session.
func CheckPath(pkg, path string, others ...error) error {
	for _, err := range append(others, errors.Unwrap(session.CheckPath(path))) {
		if err != nil {
			return &session.OpError{Package: pkg, Op: "use", Path: path, Err: err}
		}
	}
	return nil
}

// Invalid returns an error that wraps session.ErrInvalid.
func Invalid(format string, values ...any) error {
	return fmt.Errorf("%w: %s", session.ErrInvalid, fmt.Sprintf(format, values...))
}

// AtLeast returns an error unless n is at least least.
func AtLeast(least int, what string, n int) error {
	if n < least {
		return Invalid("%s is %d, want at least %d", what, n, least)
	}
	return nil
}

// NotNil returns an error if absent is true.
func NotNil(what string, absent bool) error {
	if absent {
		return Invalid("%s is nil", what)
	}
	return nil
}
