package naming_test

import (
	"strconv"
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The node of a sequence is deleted, or a smaller number is written to it. No number
// that the Sequence knows of is assigned again until the node is corrected.
func TestSetBack(t *testing.T) {
	s := zktest.Open(t).Session(t)
	const path = "/app/ids"
	q := naming.NewSequence(s, path, naming.WithDecimal())
	setBack := map[string]func() error{
		"removed": func() error { return s.Delete(t.Context(), path, session.AnyVersion) },
		"smaller": func() error { _, err := s.Set(t.Context(), path, []byte("-7"), session.AnyVersion); return err },
	}
	for what, do := range setBack {
		last := mustNext(t, q)
		if err := do(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			n, err := q.Next(t.Context())
			testkit.WantError(t, err, naming.ErrSetBack)
			if err == nil {
				t.Errorf("%s: after %d came %d", what, last, n)
			}
		}
		if _, _, err := s.Create(t.Context(), path, nil); err != nil && what == "removed" {
			t.Fatal(err)
		}
		if _, err := s.Set(t.Context(), path, strconv.AppendInt(nil, last+10, 10), session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		if n := mustNext(t, q); n != last+11 {
			t.Errorf("%s, and put right after %d: %d", what, last, n)
		}
	}
}

// A counter of others may have begun below zero.
func TestNegative(t *testing.T) {
	s := zktest.Open(t).Session(t)
	testkit.Create(t, s, "/app/ids", "-2", session.Parents())
	q := naming.NewSequence(s, "/app/ids", naming.WithDecimal())
	for want := int64(-1); want < 3; want++ {
		if n := mustNext(t, q); n != want {
			t.Errorf("%d, want %d", n, want)
		}
	}
}
