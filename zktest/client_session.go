package zktest

import (
	"context"
	"testing"

	client "github.com/zkrecipes/zkrecipes/session"
)

// Session connects a session in memory, so it also works in a synctest bubble. It is
// closed when the test ends.
func (s *Server) Session(t testing.TB, opts ...client.Option) *client.Session {
	t.Helper()
	return connectSession(t, "zktest:2181", append([]client.Option{client.WithDialer(s.DialContext)}, opts...))
}

// Session connects a session whose chroot is the test's node. It is closed when the test
// ends.
func (t *Target) Session(tb testing.TB, opts ...client.Option) *client.Session {
	tb.Helper()
	return connectSession(tb, t.Connect(), opts)
}

func connectSession(t testing.TB, servers string, opts []client.Option) *client.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), targetTimeout)
	defer cancel()
	sess, err := client.Connect(ctx, servers, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), targetTimeout)
		defer cancel()
		if err := sess.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return sess
}
