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
	ends(t, ctx, 2*time.Minute)
}

// EndsSoon is Ends for tests in real time, in which nothing but an event of the server
// ends ctx.
func EndsSoon(t testing.TB, ctx context.Context) {
	t.Helper()
	ends(t, ctx, 20*time.Second)
}

func ends(t testing.TB, ctx context.Context, limit time.Duration) {
	t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
		t.Fatalf("the context did not end within %v", limit)
	}
}
