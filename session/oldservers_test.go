package session_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The session works without create2, containers, removeWatches and setWatches if servers do
// not know them, in whatever way they refuse them.
func TestServersThatRefuseOperations(t *testing.T) {
	names := []string{"create2", "createContainer", "removeWatches", "setWatches"}
	for name, opt := range map[string]zktest.Option{
		"old Keeper":    zktest.WithOldKeeper(),
		"unimplemented": zktest.WithRefused(zktest.RefuseUnimplemented, names...),
		"bad arguments": zktest.WithRefused(zktest.RefuseBadArguments, names...),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, opt)
				z := open(t, s)
				e := epoch(t, z)
				ctx := testkit.Within(t, time.Minute)
				path, st, err := z.Create(ctx, "/a/b/n-", []byte("x"), session.Ephemeral(), session.Sequential(), session.Unique(), session.Parents())
				if err != nil || path != "/a/b/n-0000000000" || st.EphemeralOwner != e.ID() || st.Czxid == 0 {
					t.Fatalf("create: %q, %+v, %v", path, st, err)
				}
				if _, _, err := z.Create(ctx, "/a/c", nil, session.Container()); err != nil {
					t.Errorf("container: %v", err)
				}
				if _, err := z.TxnWithReceipt(ctx, session.OpCreate("/a/d", nil), session.OpCheck("/a", session.AnyVersion)); err != nil {
					t.Errorf("transaction: %v", err)
				}

				_, given, err := e.WatchNode(ctx, "/a/b")
				if err != nil {
					t.Fatal(err)
				}
				given.Close() // has the server forget it, where it can
				synctest.Wait()
				_, w, err := e.WatchNode(ctx, "/a")
				if err != nil {
					t.Fatal(err)
				}
				cutAll(t, s)
				select {
				case <-w.Fired():
				case <-ctx.Done():
					t.Fatal("a watch neither is set again nor fires")
				}

				_, listed, err := z.Children(ctx, "/a")
				if err != nil {
					t.Fatal(err)
				}
				since, err := e.WatchChildrenSince(ctx, "/a", listed.Pzxid)
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				select {
				case <-since.Fired():
					t.Error("fired without a change")
				default:
				}
				since.Close()
				if since, err = e.WatchChildrenSince(ctx, "/a", listed.Pzxid-1); err != nil {
					t.Fatal(err)
				}
				<-since.Fired()
				if since, err = e.WatchChildrenSince(ctx, "/missing", listed.Pzxid); err != nil {
					t.Fatal(err)
				}
				<-since.Fired()
				if !since.Deleted() {
					t.Error("a node that does not exist is not reported as deleted")
				}
				if e.Err() != nil {
					t.Errorf("the session has ended: %v", e.Err())
				}

				// What has been learned is not tried again.
				s.ResetRequests()
				if _, _, err := z.Create(ctx, "/e/f/g", nil, session.Parents()); err != nil {
					t.Error(err)
				}
				if n := count(s, "connect") + count(s, "create2") + count(s, "createContainer"); n > 0 {
					t.Errorf("%d requests that are known to be refused, and reconnects", n)
				}
			})
		})
	}
}

// ways are the ways in which a server refuses an operation.
var ways = map[string]zktest.Refusal{
	"close":         zktest.RefuseByClosing,
	"unimplemented": zktest.RefuseUnimplemented,
	"bad arguments": zktest.RefuseBadArguments,
}

// refusing runs f for each way on a server that refuses ops.
func refusing(t *testing.T, f func(t *testing.T, s *zktest.Server, how zktest.Refusal), ops ...string) {
	for name, how := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, serve(t, zktest.WithRefused(how, ops...)), how) })
		})
	}
}

// If transactions are refused, other writes are the proofs, and a transaction fails with an
// error that names the operation.
func TestServersWithoutTransactions(t *testing.T) {
	refusing(t, func(t *testing.T, s *zktest.Server, how zktest.Refusal) {
		z := open(t, s)
		e := epoch(t, z)
		ctx := testkit.Within(t, time.Minute)
		release, err := e.KeepProving(ctx)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for time.Since(began) < 10*timeout {
			deadline, changed := e.Deadline()
			if !deadline.After(time.Now()) {
				t.Fatalf("the deadline was %v ago: %v", time.Since(deadline), e.Err())
			}
			<-changed
		}
		release()
		if nodes := tree(s); len(nodes) > 0 {
			t.Errorf("proofs have left %v", nodes)
		}
		for range 2 {
			s.ResetRequests()
			for _, ops := range [][]session.Op{
				{session.OpCheck("/", session.AnyVersion)},
				{session.OpCreate("/a", nil), session.OpCreate("/b", nil)},
			} {
				_, err := z.Txn(ctx, ops...)
				if !errors.Is(err, session.ErrUnsupported) || errors.Is(err, session.ErrUnknown) || !strings.Contains(fmt.Sprint(err), "multi") {
					t.Errorf("transaction: %v", err)
				}
			}
			if n := count(s, "multi") + count(s, "connect"); n > 0 {
				t.Errorf("%d requests and connections for what is known to be refused", n)
			}
		}
		if _, _, err := z.Create(ctx, "/a/b", nil, session.Parents()); err != nil {
			t.Errorf("a create by itself: %v", err)
		}
	}, "multi")
}

// If a transaction is refused because of one of its operations, the session finds out which,
// and does not conclude that the servers refuse transactions.
func TestRefusedTransactionIsTakenApart(t *testing.T) {
	for _, refused := range []string{"create2", "multi"} {
		t.Run(refused, func(t *testing.T) {
			refusing(t, func(t *testing.T, s *zktest.Server, _ zktest.Refusal) {
				z := open(t, s)
				ctx := testkit.Within(t, time.Minute)
				_, err := z.Txn(ctx, session.OpCreate("/a", nil), session.OpCreate("/b", nil))
				if refused == "create2" && err != nil || refused == "multi" && !errors.Is(err, session.ErrUnsupported) {
					t.Fatal(err)
				}
				s.ResetRequests()
				if _, _, err := z.Create(ctx, "/c", nil); err != nil {
					t.Fatal(err)
				}
				if n := count(s, "create2"); (n == 0) != (refused == "create2") {
					t.Errorf("%d requests of create2", n)
				}
			}, refused)
		})
	}
}

// A refused create is known not to be committed, although other clients have changed its
// parent since, and although the request is long.
func TestRefusedCreateIsKnown(t *testing.T) {
	for name, data := range map[string][]byte{"short": nil, "long": make([]byte, 500<<10)} {
		t.Run(name, func(t *testing.T) {
			refusing(t, func(t *testing.T, s *zktest.Server, _ zktest.Refusal) {
				other := open(t, s)
				testkit.Create(t, other, "/teaches", "")
				tried := make(chan struct{}, 100)
				s.Fault(func(r zktest.Request) zktest.Fault {
					if r.Op == "create2" {
						tried <- struct{}{}
					}
					return zktest.Pass
				})
				ctx := testkit.Within(t, time.Minute)
				var changes sync.WaitGroup
				changes.Go(func() {
					for range tried {
						if _, _, err := other.Create(ctx, "/other-", nil, session.Sequential()); err != nil {
							t.Error(err)
						}
					}
				})
				z := open(t, s)
				if _, _, err := z.Create(ctx, "/n", data); err != nil {
					t.Error(err)
				}
				close(tried)
				changes.Wait()
				if got, _, err := z.Get(ctx, "/n"); len(got) != len(data) || err != nil {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			}, "create2")
		})
	}
}

// Nodes with a TTL have no replacement.
func TestServersWithoutTTL(t *testing.T) {
	refusing(t, func(t *testing.T, s *zktest.Server, how zktest.Refusal) {
		z := open(t, s)
		for i := range 2 {
			s.ResetRequests()
			_, _, err := z.Create(testkit.Within(t, time.Minute), "/n", nil, session.TTL(time.Hour))
			if !errors.Is(err, session.ErrUnsupported) || errors.Is(err, session.ErrUnknown) || !strings.Contains(fmt.Sprint(err), "createTTL") {
				t.Errorf("TTL: %v", err)
			}
			if n := count(s, "createTTL"); how == zktest.RefuseByClosing && i > 0 && n > 0 {
				t.Errorf("%d requests on which the server closes the connection", n)
			}
		}
	}, "createTTL")
}

// The session remembers refused operations in the next epoch.
func TestAbilitiesOutliveTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, zktest.WithOldKeeper())
		z := open(t, s)
		ctx := testkit.Within(t, time.Minute)
		if _, _, err := z.Create(ctx, "/a/b", nil, session.Parents()); err != nil {
			t.Fatal(err)
		}
		e := epoch(t, z)
		s.Expire(e.ID())
		<-e.Context().Done()
		s.ResetRequests()
		if _, _, err := z.Create(ctx, "/c/d", nil, session.Parents()); err != nil {
			t.Fatal(err)
		}
		if n := count(s, "create2") + count(s, "createContainer"); n > 0 {
			t.Errorf("%d requests that are known to be refused", n)
		}
	})
}

// With any number of watches the session learns that setWatches is refused.
func TestManyWatchesWithoutSetWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, zktest.WithOldKeeper())
		e := epoch(t, open(t, s))
		ctx := testkit.Within(t, time.Minute)
		long := strings.Repeat("n", 500)
		var watches []*session.Watch
		for i := range 400 {
			_, _, w, err := e.WatchExists(ctx, fmt.Sprintf("/%s%d", long, i))
			if err != nil {
				t.Fatal(err)
			}
			watches = append(watches, w)
		}
		cutAll(t, s)
		for _, w := range watches {
			select {
			case <-w.Fired():
			case <-ctx.Done():
				t.Fatal("a watch neither is set again nor fires")
			}
		}
	})
}

// Many requests learn concurrently that their operation is refused. (Other requests on the
// connections that the server closes have the same outcomes as always.)
func TestManyRequestsAreRefusedAtOnce(t *testing.T) {
	for name, request := range map[string]func(context.Context, *session.Epoch, int) error{
		"create": func(ctx context.Context, e *session.Epoch, i int) error {
			_, _, err := e.Session().Create(ctx, fmt.Sprintf("/n-%d", i), nil, session.Ephemeral())
			return err
		},
		"ancestors": func(ctx context.Context, e *session.Epoch, i int) error {
			return e.Session().CreateAncestors(ctx, fmt.Sprintf("/n-%d/a/b", i))
		},
		"watch": func(ctx context.Context, e *session.Epoch, _ int) error {
			_, err := e.WatchChildrenSince(ctx, "/", 0)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			refusing(t, func(t *testing.T, s *zktest.Server, _ zktest.Refusal) {
				e := epoch(t, open(t, s))
				ctx := testkit.Within(t, 10*time.Minute)
				var all sync.WaitGroup
				for i := range 20 {
					all.Go(func() {
						if err := request(ctx, e, i); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
			}, "create2", "createContainer", "setWatches", "removeWatches")
		})
	}
}
