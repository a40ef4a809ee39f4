package refusal_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/session"
)

// The answers are those of the table in the package's doc comment.
func TestAnswers(t *testing.T) {
	type answers struct{ of, conflict, denied, permanent bool }
	tests := map[error]answers{
		nil:                   {},
		session.ErrNoNode:     {of: true, conflict: true},
		session.ErrNodeExists: {of: true, conflict: true},
		session.ErrBadVersion: {of: true, conflict: true},
		session.ErrNotEmpty:   {of: true},
		session.ErrQuota:      {of: true, denied: true},
		session.ErrNoAuth:     {of: true, denied: true, permanent: true},
		session.ErrInvalidACL: {of: true, denied: true, permanent: true},
		session.ErrInvalid:    {permanent: true},
		session.ErrClosed:     {permanent: true},
		session.ErrExpired:    {},
		errors.New("other"):   {},
	}
	answer := func(err error) (a answers) {
		_, a.of = refusal.Of(err)
		return answers{a.of, refusal.IsConflict(err), refusal.IsDenied(err), refusal.IsPermanent(err)}
	}
	for reason, want := range tests {
		if reason == nil {
			if got := answer(nil); got != want {
				t.Errorf("nil: %+v", got)
			}
			continue
		}
		err := error(&session.OpError{Op: "create", Path: "/a", Err: fmt.Errorf("context: %w", reason)})
		if got := answer(err); got != want {
			t.Errorf("%v: %+v, want %+v", reason, got, want)
		}
		if r, ok := refusal.Of(err); ok && r != (refusal.Refusal{Op: "create", Path: "/a", Reason: reason}) {
			t.Errorf("%v: %+v", reason, r)
		}
		unknown := &session.OpError{Op: "create", Path: "/a", Err: fmt.Errorf("%w: %w", session.ErrUnknown, reason)}
		if got := answer(unknown); got != (answers{permanent: want.permanent}) {
			t.Errorf("%v: %+v", unknown, got)
		}
	}
}

// Without an operation that was refused there is no refusal.
func TestNoOperation(t *testing.T) {
	if r, ok := refusal.Of(session.ErrNoNode); ok {
		t.Errorf("%+v", r)
	}
}
