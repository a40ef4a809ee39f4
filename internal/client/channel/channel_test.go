package channel_test

import (
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
)

func TestWake(t *testing.T) {
	channel.Wake(nil)
	c := make(chan struct{}, 1)
	channel.Wake(c)
	channel.Wake(c)
	if len(c) != 1 {
		t.Errorf("%d signals wait", len(c))
	}
}

func TestIsClosed(t *testing.T) {
	if channel.IsClosed(nil) {
		t.Error("nil is closed")
	}
	c := make(chan struct{})
	if channel.IsClosed(c) {
		t.Error("closed before close")
	}
	if close(c); !channel.IsClosed(c) {
		t.Error("open after close")
	}
}
