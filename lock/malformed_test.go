package lock_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// If the data of a semaphore's node is not a limit, calls fail and leave the data
// unchanged.
func TestSemaphoreLeavesOtherDataAlone(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for _, naming := range []lock.Layout{lock.Curator, lock.Kazoo} {
		for i, data := range []string{`{"rate":7,"burst":20}`, "2\n", "+2", "02", " ", "127.0.0.1"} {
			t.Run(fmt.Sprintf("%v %q", naming, data), func(t *testing.T) {
				path := fmt.Sprintf("/other/%d/%d", naming, i)
				if _, _, err := s.Create(t.Context(), path, []byte(data), session.Parents()); err != nil {
					t.Fatal(err)
				}
				m := lock.NewSemaphore(s, path, 2, lock.WithLayout(naming))
				if _, err := m.Acquire(t.Context()); !errors.Is(err, codec.ErrMalformed) {
					t.Errorf("Acquire: %v", err)
				}
				if _, err := m.TryAcquire(t.Context()); !errors.Is(err, codec.ErrMalformed) {
					t.Errorf("TryAcquire: %v", err)
				}
				if got, st, err := s.Get(t.Context(), path); err != nil || string(got) != data || st.Version != 0 {
					t.Errorf("there is %q in version %d, %v", got, st.Version, err)
				}
			})
		}
	}
}
