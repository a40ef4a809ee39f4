package faulttable

import (
	"context"
	"testing"
	"time"
)

// Ends waits until ctx is done. In a synctest bubble a session goes on proving itself
// for any length of time, so a test that waits for a loss which never comes would only
// end with the test binary's time-out.
func Ends(t testing.TB, ctx context.Context) {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(2 * time.Minute):
		t.Fatal("the context did not end within two minutes")
	}
}
