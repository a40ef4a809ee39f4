package membership_test

import (
	"errors"
	"testing"

	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/session"
)

func TestParseLayout(t *testing.T) {
	for l := membership.Curator; l <= membership.KazooShallowParty; l++ {
		if got, err := membership.ParseLayout(l.String()); got != l || err != nil {
			t.Errorf("%v is parsed as %v, %v", l, got, err)
		}
	}
	if _, err := membership.ParseLayout("other"); !errors.Is(err, session.ErrInvalid) {
		t.Error(err)
	}
}
