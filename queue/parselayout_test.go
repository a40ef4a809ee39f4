package queue_test

import (
	"errors"
	"testing"

	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
)

func TestParseLayout(t *testing.T) {
	for l := queue.Native; l <= queue.KazooLocking; l++ {
		if got, err := queue.ParseLayout(l.String()); got != l || err != nil {
			t.Errorf("%v is parsed as %v, %v", l, got, err)
		}
	}
	if _, err := queue.ParseLayout("other"); !errors.Is(err, session.ErrInvalid) {
		t.Error(err)
	}
}
