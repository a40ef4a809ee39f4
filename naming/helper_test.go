package naming_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
)

func wantError(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v, want %v", err, target)
	}
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func mustNext(t testing.TB, q *naming.Sequence) int64 {
	t.Helper()
	n, err := q.Next(within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustAcquire(t testing.TB, p *naming.Slots) *naming.Slot {
	t.Helper()
	s, err := p.Acquire(within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustRelease(t testing.TB, s *naming.Slot) {
	t.Helper()
	if err := s.Release(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
}

func mustCreate(t testing.TB, s *session.Session, path, data string) {
	t.Helper()
	if _, _, err := s.Create(t.Context(), path, []byte(data), session.Parents()); err != nil {
		t.Fatal(err)
	}
}
