package naming_test

import (
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/naming"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func mustNext(t testing.TB, q *naming.Sequence) int64 {
	t.Helper()
	n, err := q.Next(testkit.Within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustAcquire(t testing.TB, p *naming.Slots) *naming.Slot {
	t.Helper()
	s, err := p.Acquire(testkit.Within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustRelease(t testing.TB, s *naming.Slot) {
	t.Helper()
	if err := s.Release(testkit.Within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
}
