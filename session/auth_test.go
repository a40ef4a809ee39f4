package session_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Credentials are the first request on each connection, and nodes are created with the
// session's ACL.
func TestAuth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s, session.WithAuth("digest", []byte("user:password")), session.WithAuth("digest", []byte("second:password")),
			session.WithACL(session.CreatorACL()...))
		stranger := open(t, s)
		testkit.Create(t, z, "/n", "secret")
		cutAll(t, s)
		if data, _, err := z.Get(t.Context(), "/n"); err != nil || string(data) != "secret" {
			t.Errorf("%q, %v after a reconnect", data, err)
		}
		acl, st, err := z.ACL(t.Context(), "/n")
		if err != nil || len(acl) != 2 || !strings.Contains(acl[0].ID+acl[1].ID, "user:") || acl[0].Perms != session.PermAll || st.Aversion != 0 {
			t.Errorf("%+v, %+v, %v", acl, st, err)
		}

		epoch(t, stranger)
		began := time.Now()
		_, _, err = stranger.Get(t.Context(), "/n")
		testkit.WantError(t, err, session.ErrNoAuth)
		_, err = stranger.Set(t.Context(), "/n", nil, session.AnyVersion)
		testkit.WantError(t, err, session.ErrNoAuth)
		_, _, err = stranger.Create(t.Context(), "/n/a/b", nil, session.Parents())
		testkit.WantError(t, err, session.ErrNoAuth)
		_, _, err = stranger.Create(t.Context(), "/n/a", nil, session.Ephemeral())
		testkit.WantError(t, err, session.ErrNoAuth)
		_, err = stranger.Txn(t.Context(), session.OpCheck("/n", 0), session.OpCreate("/n/a", nil))
		testkit.WantError(t, err, session.ErrNoAuth)
		if took := time.Since(began); took != 0 {
			t.Errorf("refusals took %v", took)
		}

		if _, err := z.SetACL(t.Context(), "/n", session.OpenACL(), 0); err != nil {
			t.Error(err)
		}
		acl, _, err = stranger.ACL(t.Context(), "/n")
		if err != nil || !cmp.Equal(acl, session.OpenACL()) {
			t.Errorf("%+v, %v", acl, err)
		}
		_, err = z.SetACL(t.Context(), "/n", []session.ACL{{Perms: session.PermRead, Scheme: "digest", ID: "nonsense"}}, -1)
		testkit.WantError(t, err, session.ErrInvalidACL)
	})
}

func TestCreateWithOwnACL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := open(t, serve(t))
		want := []session.ACL{{Perms: session.PermRead, Scheme: "world", ID: "anyone"}}
		if _, _, err := z.Create(t.Context(), "/n", nil, session.ACLs(want...)); err != nil {
			t.Fatal(err)
		}
		if acl, _, err := z.ACL(t.Context(), "/n"); err != nil || !cmp.Equal(acl, want) {
			t.Errorf("%+v, %v", acl, err)
		}
		_, _, err := z.Create(t.Context(), "/m", nil, session.ACLs(session.CreatorACL()...)) // nobody has been authenticated
		testkit.WantError(t, err, session.ErrInvalidACL)
	})
}

// If a server refuses the credentials, Connect fails immediately, after few requests.
func TestAuthRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		began := time.Now()
		_, err := session.Connect(testkit.Within(t, time.Hour), "a,b", session.WithDialer(s.DialContext), session.WithTimeout(timeout),
			session.WithAuth("kerberos", []byte("x")))
		testkit.WantError(t, err, session.ErrAuthFailed)
		if want := "session: connect a,b: authentication failed"; err == nil || err.Error() != want {
			t.Errorf("error is %q, want %q", err, want)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
		if n := len(s.Requests()); n > 6 {
			t.Errorf("%d requests: %v", n, ops(s))
		}
	})
}

// A connection that breaks before the credentials are accepted is not used, and
// the next one is.
func TestConnectionBreaksDuringAuth(t *testing.T) {
	for _, fault := range []zktest.Fault{zktest.Refuse, zktest.DropReply, zktest.Cut, zktest.Hang} {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t)
			broken := 0
			s.Fault(func(r zktest.Request) zktest.Fault {
				if r.Op == "auth" && broken < 2 {
					broken++
					return fault
				}
				return zktest.Pass
			})
			z := open(t, s, session.WithAuth("digest", []byte("user:password")), session.WithACL(session.CreatorACL()...))
			for range 3 {
				if _, _, err := z.Create(t.Context(), "/n", nil, session.Sequential()); err != nil {
					t.Errorf("fault %d: %v", fault, err)
				}
				cutAll(t, s)
			}
		})
	}
}

func TestChroot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := openAt(t, "zk/app", session.WithDialer(s.DialContext), session.WithChroot("/deep/"))
		path, _, err := z.Create(t.Context(), "/a/b-", []byte("x"), session.Sequential(), session.Parents())
		if err != nil || path != "/a/b-0000000000" {
			t.Fatalf("%q, %v", path, err)
		}
		if _, ok := tree(s)["/app/deep/a/b-0000000000"]; !ok {
			t.Errorf("tree:\n%s", s.Tree())
		}
		if names, _, err := z.Children(t.Context(), "/"); err != nil || !cmp.Equal(names, []string{"a"}) {
			t.Errorf("%q, %v", names, err)
		}
		results, err := z.Txn(t.Context(), session.OpCheck("/a", 0), session.OpCreate("/a/c-", nil, session.Sequential()))
		if err != nil || results[1].Path != "/a/c-0000000001" {
			t.Errorf("%+v, %v", results, err)
		}
		w := watchNode(t, z, path)
		cutAll(t, s)
		if _, err := z.Set(t.Context(), path, nil, 0); err != nil {
			t.Error(err)
		}
		if !hasFired(w) {
			t.Error("the watch did not fire")
		}
		_, _, err = z.Get(t.Context(), "/missing")
		if want := "session: get /missing: no such node"; err == nil || err.Error() != want {
			t.Errorf("error is %q, want %q", err, want)
		}
		nodes, err := epoch(t, z).Nodes(t.Context(), path)
		if err != nil || nodes[0].Path != path {
			t.Errorf("%+v, %v", nodes, err)
		}
		if err := z.Delete(t.Context(), path, session.AnyVersion); err != nil {
			t.Error(err)
		}
		if err := z.Sync(t.Context(), "/"); err != nil {
			t.Error(err)
		}
	})
}
