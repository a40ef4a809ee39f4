package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Servers that do not know create2, containers, removeWatches and setWatches are used
// without them, however they refuse.
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
				ctx := within(t, time.Minute)
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
