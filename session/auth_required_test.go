package session_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A server with enforce.auth.enabled refuses everything and closes the connection.
// The error is ErrNoAuth, immediately and without a repetition, for every call.
func TestServerRequiresAuth(t *testing.T) {
	for _, w := range writes {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, zktest.WithEnforcedAuth("digest"))
				z := open(t, s)
				began := time.Now()
				err := w.run(testkit.Within(t, time.Hour), z)
				wantAuthRequired(t, err)
				if errors.Is(err, session.ErrUnknown) {
					t.Errorf("error %v", err)
				}
				if took := time.Since(began); took > timeout {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, zktest.WithEnforcedAuth("digest"))
		z := open(t, s)
		ctx := testkit.Within(t, time.Hour)
		_, _, err := z.Get(ctx, "/a")
		wantAuthRequired(t, err)
		_, _, err = z.Children(ctx, "/a")
		wantAuthRequired(t, err)
		nodes, err := epoch(t, z).Nodes(ctx, "/a", "/b", "/c")
		if err != nil {
			t.Error(err)
		}
		for _, n := range nodes {
			wantAuthRequired(t, n.Err)
		}
		wantAuthRequired(t, z.Sync(ctx, "/"))
		_, err = z.SetACL(ctx, "/a", session.OpenACL(), -1)
		wantAuthRequired(t, err)
		wantAuthRequired(t, z.CreateAncestors(ctx, "/a/b/c"))
		if n := count(s, "connect"); n > 10 {
			t.Errorf("%d connections", n)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		z := open(t, serve(t, zktest.WithEnforcedAuth("digest")), session.WithAuth("digest", []byte("ann:secret")))
		testkit.Create(t, z, "/a", "")
		time.Sleep(3 * timeout) // the server answers pings
		if st := z.Status(); st.State != session.Connected || st.Epoch != 1 {
			t.Errorf("status %+v", st)
		}
	})
}

func wantAuthRequired(t *testing.T, err error) {
	t.Helper()
	testkit.WantError(t, err, session.ErrNoAuth)
	if err != nil && !strings.Contains(err.Error(), "requires every client to authenticate") {
		t.Errorf("error %v", err)
	}
}
