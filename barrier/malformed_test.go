package barrier_test

import (
	"errors"
	"testing"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// No round begins at a node that holds something else than the record of a round, and
// the data stays.
func TestDoubleLeavesOtherDataAlone(t *testing.T) {
	s := zktest.Open(t).Session(t)
	const path, data = "/other", `{"rate":7}`
	if _, _, err := s.Create(t.Context(), path, []byte(data)); err != nil {
		t.Fatal(err)
	}
	if _, err := barrier.NewDouble(s, path, 1).Enter(t.Context()); !errors.Is(err, codec.ErrMalformed) {
		t.Errorf("Enter: %v", err)
	}
	if got, st, err := s.Get(t.Context(), path); err != nil || string(got) != data || st.Version != 0 || st.NumChildren != 0 {
		t.Errorf("there is %q in version %d with %d children, %v", got, st.Version, st.NumChildren, err)
	}
}
