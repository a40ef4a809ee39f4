package lock_test

import (
	"errors"
	"testing"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
)

func TestParseLayout(t *testing.T) {
	for l := lock.Curator; l <= lock.Kazoo; l++ {
		if got, err := lock.ParseLayout(l.String()); got != l || err != nil {
			t.Errorf("%v is parsed as %v, %v", l, got, err)
		}
	}
	if _, err := lock.ParseLayout("other"); !errors.Is(err, session.ErrInvalid) {
		t.Error(err)
	}
}
