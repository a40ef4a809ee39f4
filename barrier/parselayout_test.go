package barrier_test

import (
	"errors"
	"testing"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/session"
)

func TestParseLayout(t *testing.T) {
	for l := barrier.Curator; l <= barrier.Synchronizing; l++ {
		if got, err := barrier.ParseLayout(l.String()); got != l || err != nil {
			t.Errorf("%v is parsed as %v, %v", l, got, err)
		}
	}
	if _, err := barrier.ParseLayout("other"); !errors.Is(err, session.ErrInvalid) {
		t.Error(err)
	}
}
