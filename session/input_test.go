package session_test

import (
	"bytes"
	"context"
	"errors"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
)

func TestOptionsRefused(t *testing.T) {
	tests := []struct {
		name string
		opt  session.Option
	}{
		{"no timeout", session.WithTimeout(0)},
		{"negative timeout", session.WithTimeout(-time.Second)},
		{"tiny timeout", session.WithTimeout(time.Microsecond)},
		{"huge timeout", session.WithTimeout(25 * time.Hour)},
		{"no connect timeout", session.WithConnectTimeout(0)},
		{"negative connect timeout", session.WithConnectTimeout(-1)},
		{"no backoff", session.WithBackoff(nil)},
		{"no dialer", session.WithDialer(nil)},
		{"no TLS", session.WithTLS(nil)},
		{"no scheme", session.WithAuth("", []byte("x"))},
		{"no ACL", session.WithACL()},
		{"relative chroot", session.WithChroot("app")},
		{"bad chroot", session.WithChroot("/app//x")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			_, err := session.Connect(t.Context(), "127.0.0.1:1", tt.opt)
			testkit.WantError(t, err, session.ErrInvalid)
			if took := time.Since(began); took > time.Second {
				t.Errorf("took %v", took)
			}
			var oe *session.OpError
			if !errors.As(err, &oe) || oe.Op != "connect" || oe.Path != "127.0.0.1:1" {
				t.Errorf("error is %#v", err)
			}
		})
	}
	_, err := session.Connect(t.Context(), "a:b:c")
	testkit.WantError(t, err, session.ErrInvalid)
}

// Bad arguments are refused before anything is sent, by an error that names the
// operation and the path.
func TestBadInputIsNotSent(t *testing.T) {
	big := make([]byte, 1<<20)
	tests := []struct {
		name string
		run  func(context.Context, *session.Session, *session.Epoch) error
		want string // what the error begins with
	}{
		{"get", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, _, err := z.Get(ctx, "a")
			return err
		}, `session: get a: invalid argument: path "a" does not start with /`},
		{"exists", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, _, err := z.Exists(ctx, "")
			return err
		}, `session: exists: invalid argument: path "" is empty`},
		{"list", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, _, err := z.Children(ctx, "/a/")
			return err
		}, `session: list /a/: invalid argument`},
		{"sync", func(ctx context.Context, z *session.Session, _ *session.Epoch) error { return z.Sync(ctx, "/a//b") }, `session: sync /a//b: invalid`},
		{"ACL", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, _, err := z.ACL(ctx, "a")
			return err
		}, `session: get ACL of a: invalid`},
		{"set ACL", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, err := z.SetACL(ctx, "a", session.OpenACL(), 0)
			return err
		}, `session: set ACL of a: invalid`},
		{"delete", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			return z.Delete(ctx, "/.", 0)
		}, `session: delete /.: invalid`},
		{"set", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, err := z.Set(ctx, "/a", big, 0)
			return err
		}, `session: set /a: invalid argument: 1048576 bytes of data`},
		{"create", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, _, err := z.Create(ctx, "/a", big)
			return err
		}, `session: create /a: invalid argument: 1048576 bytes of data`},
		{"ephemeral", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, _, err := z.Create(ctx, "/a", big, session.Ephemeral())
			return err
		}, `session: create /a: invalid argument: 1048576 bytes of data`},
		{"transaction", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, err := z.Txn(ctx, session.OpCheck("/a", 0), session.OpSet("b", nil, 0))
			return err
		}, `session: set b: invalid`},
		{"transaction of many", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, err := z.Txn(ctx, session.OpSet("/a", big[:600000], 0), session.OpSet("/b", big[:600000], 0))
			return err
		}, `session: set /a: invalid argument: a request of 1200059 bytes`},
		{"nothing", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, err := z.Txn(ctx, session.Op{})
			return err
		}, `session: use: invalid`},
		{"ephemeral container", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, _, err := z.Create(ctx, "/a", nil, session.Ephemeral(), session.Container())
			return err
		}, `session: create /a: invalid argument: kinds of node that exclude each other`},
		{"ephemeral TTL", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, _, err := z.Create(ctx, "/a", nil, session.Ephemeral(), session.TTL(time.Hour))
			return err
		}, `session: create /a: invalid`},
		{"sequential container", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, _, err := z.Create(ctx, "/a", nil, session.Sequential(), session.Container())
			return err
		}, `session: create /a: invalid`},
		{"negative TTL", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, _, err := z.Create(ctx, "/a", nil, session.TTL(-1))
			return err
		}, `session: create /a: invalid argument: TTL`},
		{"TTL over the servers' limit", func(ctx context.Context, z *session.Session, _ *session.Epoch) error {
			_, _, err := z.Create(ctx, "/a", nil, session.TTL(1<<40*time.Millisecond))
			return err
		}, `session: create /a: invalid argument: TTL`},
		{"nodes", func(ctx context.Context, _ *session.Session, e *session.Epoch) error {
			_, err := e.Nodes(ctx, "/a", "b")
			return err
		}, `session: get b: invalid`},
		{"watch nodes", func(ctx context.Context, _ *session.Session, e *session.Epoch) error {
			_, err := e.WatchNodes(ctx, "/a", "b")
			return err
		}, `session: watch b: invalid`},
		{"watch", func(ctx context.Context, _ *session.Session, e *session.Epoch) error {
			_, _, _, err := e.WatchExists(ctx, "b")
			return err
		}, `session: watch b: invalid`},
		{"watch children", func(ctx context.Context, _ *session.Session, e *session.Epoch) error {
			_, _, _, err := e.WatchChildren(ctx, "b")
			return err
		}, `session: list b: invalid`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				z := open(t, s)
				e := epoch(t, z)
				s.ResetRequests()
				err := tt.run(t.Context(), z, e)
				testkit.WantError(t, err, session.ErrInvalid)
				if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
					t.Errorf("error is %q, want one that begins with %q", err, tt.want)
				}
				if len(s.Requests()) != 0 {
					t.Errorf("sent %v", s.Requests())
				}
			})
		})
	}
}

// Calls without operations or paths send no request.
func TestNothingToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		s.ResetRequests()
		if r, err := z.Txn(t.Context()); len(r) != 0 || err != nil {
			t.Errorf("%v, %v", r, err)
		}
		if n, err := e.Nodes(t.Context()); len(n) != 0 || err != nil {
			t.Errorf("%v, %v", n, err)
		}
		if len(s.Requests()) != 0 {
			t.Errorf("sent %v", s.Requests())
		}
	})
}

// The server accepts the longest request that the session sends. Longer ones fail with an
// error, and the connection is not lost.
func TestLongestRequests(t *testing.T) {
	data := bytes.Repeat([]byte("x"), 1<<20)
	tests := []struct {
		name string
		run  func(ctx context.Context, z *session.Session, n int) error
	}{
		{"set", func(ctx context.Context, z *session.Session, n int) error {
			_, err := z.Set(ctx, "/n", data[:n], session.AnyVersion)
			return err
		}},
		{"create", func(ctx context.Context, z *session.Session, n int) error {
			_, _, err := z.Create(ctx, "/c", data[:n], session.Sequential())
			return err
		}},
		{"transaction", func(ctx context.Context, z *session.Session, n int) error {
			_, err := z.Txn(ctx, session.OpSet("/n", data[:n/2], session.AnyVersion), session.OpSet("/n", data[:n-n/2], session.AnyVersion))
			return err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				z := open(t, s)
				testkit.Create(t, z, "/n", "")
				refused := sort.Search(1<<20, func(n int) bool {
					err := tt.run(t.Context(), z, n)
					if err != nil {
						testkit.WantError(t, err, session.ErrInvalid)
					}
					return err != nil
				})
				if refused < 1<<20-1200 {
					t.Errorf("%d bytes are refused", refused)
				}
				if n := count(s, "connect"); n != 1 {
					t.Errorf("%d connections", n)
				}
			})
		})
	}
}

// Replies may be longer than the requests that a server accepts.
func TestLongAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		name := "/" + strings.Repeat("x", 200) + "-"
		for range 80 {
			ops := make([]session.Op, 100)
			for i := range ops {
				ops[i] = session.OpCreate(name, nil, session.Sequential())
			}
			if _, err := z.Txn(t.Context(), ops...); err != nil {
				t.Fatal(err)
			}
		}
		if names, _, err := z.Children(t.Context(), "/"); err != nil || len(names) < 8000 {
			t.Errorf("%d names, %v", len(names), err)
		}
	})
}
