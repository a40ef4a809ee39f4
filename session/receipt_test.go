package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A receipt shows outcomes that Txn cannot find out, since other clients have changed the
// nodes.
func TestReceiptShowsLostReply(t *testing.T) {
	tests := []struct {
		name      string
		ops       []session.Op
		meanwhile func(*testing.T, *session.Session)
		want      func(results []session.Result) string // "" or what is wrong
	}{
		{
			name: "set that others have overwritten",
			ops:  []session.Op{session.OpSet("/p/old", []byte("new"), 0)},
			meanwhile: func(t *testing.T, z *session.Session) {
				if _, err := z.Set(t.Context(), "/p/old", []byte("theirs"), 1); err != nil {
					t.Error(err)
				}
			},
			want: func(r []session.Result) string {
				if r[0].Stat.Version != 1 || r[0].Stat.Mzxid == 0 {
					return fmt.Sprintf("stat %+v", r[0].Stat)
				}
				return ""
			},
		},
		{
			name:      "delete of a node that others have created again",
			ops:       []session.Op{session.OpDelete("/p/old", session.AnyVersion)},
			meanwhile: func(t *testing.T, z *session.Session) { testkit.Create(t, z, "/p/old", "") },
		},
		{
			name: "sequential nodes of one prefix",
			ops: []session.Op{
				session.OpCreate("/p/n-", []byte("a"), session.Sequential()),
				session.OpCreate("/p/n-", []byte("b"), session.Sequential()),
			},
			meanwhile: func(t *testing.T, z *session.Session) {
				if _, _, err := z.Create(t.Context(), "/p/n-", []byte("c"), session.Sequential()); err != nil {
					t.Error(err)
				}
			},
			want: func(r []session.Result) string {
				got := []string{r[0].Path, r[1].Path}
				return cmp.Diff([]string{"/p/n-0000000001", "/p/n-0000000002"}, got)
			},
		},
		{
			name: "sequential node that others have taken",
			ops:  []session.Op{session.OpCreate("/p/n-", []byte("a"), session.Sequential())},
			meanwhile: func(t *testing.T, z *session.Session) {
				if err := z.Delete(t.Context(), "/p/n-0000000001", session.AnyVersion); err != nil {
					t.Error(err)
				}
			},
			want: func(r []session.Result) string { return r[0].Path },
		},
	}
	for _, tt := range tests {
		for _, first := range []bool{true, false} { // the first creates the receipt, later ones set it
			t.Run(fmt.Sprintf("%s, first %v", tt.name, first), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := serve(t)
					z, other := open(t, s), open(t, s)
					testkit.Create(t, z, "/p", "")
					testkit.Create(t, z, "/p/old", "old")
					if first {
						testkit.Create(t, z, session.DefaultReceipts, "")
					} else if _, err := z.TxnWithReceipt(t.Context(), session.OpCheck("/p", 0)); err != nil {
						t.Fatal(err)
					}
					loseReply(t, s, z, "multi", func() { tt.meanwhile(t, other) })
					results, err := z.TxnWithReceipt(t.Context(), tt.ops...)
					if err != nil || len(results) != len(tt.ops) {
						t.Fatalf("%d results, error %v", len(results), err)
					}
					if tt.want != nil {
						if diff := tt.want(results); diff != "" {
							t.Error(diff)
						}
					}
				})
			})
		}
	}
}

// N clients count while every seventh reply and every eleventh request is lost. The count
// agrees with the outcomes that they got.
func TestReceiptsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		testkit.Create(t, open(t, s), "/count", "0")
		n := 0
		struck := map[int64]bool{} // by session; a request that fails alone twice is given up
		remove := s.Fault(func(r zktest.Request) zktest.Fault {
			if r.Op != "multi" {
				return zktest.Pass
			}
			n++
			if struck[r.Session] {
				struck[r.Session] = false
				return zktest.Pass
			}
			struck[r.Session] = n%7 == 0 || n%11 == 0
			switch {
			case n%7 == 0:
				return zktest.DropReply
			case n%11 == 0:
				return zktest.Refuse
			}
			return zktest.Pass
		})
		var wg sync.WaitGroup
		for range 4 {
			z := open(t, s)
			for range 3 {
				wg.Go(func() {
					for range 10 {
						increment(t, z)
					}
				})
			}
		}
		wg.Wait()
		remove()
		if got := tree(s)["/count"]; !strings.Contains(got, `"120"`) {
			t.Errorf("120 increments were reported, and the count is %s", got)
		}
	})
}

func increment(t *testing.T, z *session.Session) {
	for {
		data, st, err := z.Get(t.Context(), "/count")
		if err != nil {
			t.Error(err)
			return
		}
		var v int
		fmt.Sscan(string(data), &v)
		_, err = z.TxnWithReceipt(t.Context(), session.OpSet("/count", fmt.Append(nil, v+1), st.Version))
		if err == nil {
			return
		}
		// So many losses look like a request that the server rejects, now and then.
		rejected := errors.Is(err, session.ErrRejected) && !errors.Is(err, session.ErrUnknown)
		if !errors.Is(err, session.ErrBadVersion) && !rejected {
			t.Error(err)
			return
		}
	}
}

// A session uses one receipt for all its transactions, and one for each of several
// concurrent ones. All are deleted with the ZooKeeper session.
func TestReceiptsAreReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		for range 3 {
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					if _, err := z.TxnWithReceipt(t.Context(), session.OpCheck("/", session.AnyVersion)); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		if n := below(s, session.DefaultReceipts+"/"); n < 1 || n > 5 {
			t.Errorf("%d receipts:\n%s", n, s.Tree())
		}
		if err := z.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if n := below(s, session.DefaultReceipts+"/"); n != 0 {
			t.Errorf("%d receipts are left", n)
		}
	})
}

// A transaction with a receipt costs one round trip, like any other.
func TestReceiptCostsNoRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		increments := func() {
			if _, err := z.TxnWithReceipt(t.Context(), session.OpCheck("/", session.AnyVersion)); err != nil {
				t.Error(err)
			}
		}
		increments()
		before := len(ops(s))
		increments()
		if diff := cmp.Diff([]string{"multi"}, ops(s)[before:]); diff != "" {
			t.Error(diff)
		}
	})
}

// If an operator deletes the receipts, transactions continue.
func TestReceiptsRemovedByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		for i := range 3 {
			if _, err := z.TxnWithReceipt(t.Context(), session.OpCreate(fmt.Sprintf("/n%d", i), nil)); err != nil {
				t.Fatal(err)
			}
			for path := range tree(s) {
				if strings.HasPrefix(path, session.DefaultReceipts+"/") {
					if err := z.Delete(t.Context(), path, session.AnyVersion); err != nil {
						t.Error(err)
					}
				}
			}
			if i == 1 {
				if err := z.Delete(t.Context(), session.DefaultReceipts, session.AnyVersion); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// If the receipt is deleted before the outcome is found out, the outcome is unknown. The
// error is not one of the transaction's operations.
func TestReceiptOfLostReplyIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z, operator := open(t, s), open(t, s)
		testkit.Create(t, z, "/count", "0")
		increment(t, z)
		s.Inject(zktest.Rule{Op: "multi", Nth: 1, Fault: zktest.DropReply})
		s.Inject(zktest.Rule{Op: "sync", Delay: time.Second}) // which precedes the read of the receipt
		result := make(chan error)
		go func() {
			_, err := z.TxnWithReceipt(t.Context(), session.OpSet("/count", []byte("2"), 1))
			result <- err
		}()
		time.Sleep(500 * time.Millisecond)
		names, _, err := operator.Children(t.Context(), session.DefaultReceipts)
		if err != nil || len(names) != 1 {
			t.Fatalf("receipts: %q, %v", names, err)
		}
		if err := operator.Delete(t.Context(), session.Join(session.DefaultReceipts, names[0]), session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		if err := <-result; !errors.Is(err, session.ErrUnknown) || errors.Is(err, session.ErrNoNode) {
			t.Errorf("the error is %v, want only ErrUnknown", err)
		}
	})
}

// If receipts may not be written, transactions are committed without them.
func TestReceiptsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		readOnly := session.ACL{Perms: session.PermRead, Scheme: "world", ID: "anyone"}
		if _, _, err := z.Create(t.Context(), "/forbidden", nil, session.ACLs(readOnly)); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"/forbidden", "/forbidden/below", ""} {
			z := open(t, s, session.WithReceipts(dir))
			for i := range 2 {
				path := fmt.Sprintf("/a%d%s", i, strings.ReplaceAll(dir, "/", "-"))
				if _, err := z.TxnWithReceipt(t.Context(), session.OpCreate(path, nil)); err != nil {
					t.Errorf("receipts at %q: %v", dir, err)
				}
			}
			if _, err := z.TxnWithReceipt(t.Context(), session.OpCreate("/forbidden/x", nil)); !errors.Is(err, session.ErrNoAuth) {
				t.Errorf("receipts at %q: a forbidden create: %v", dir, err)
			}
		}
		_, err := session.Connect(t.Context(), "zk1:2181", session.WithDialer(s.DialContext), session.WithReceipts("bad"))
		testkit.WantError(t, err, session.ErrInvalid)
	})
}

// The name of a node whose creation is known to be committed is looked up even if the
// ZooKeeper session expires before that.
func TestReceiptFindsNameInNextEpoch(t *testing.T) {
	ops := []session.Op{session.OpSet("/q", nil, session.AnyVersion), session.OpCreate("/q/n-", nil, session.Sequential())}
	calls := map[string]func(context.Context, *session.Session) ([]session.Result, error){
		"TxnWithReceipt": func(ctx context.Context, z *session.Session) ([]session.Result, error) {
			return z.TxnWithReceipt(ctx, ops...)
		},
		"TxnDetached": func(ctx context.Context, z *session.Session) ([]session.Result, error) {
			e, err := z.Epoch(ctx)
			if err != nil {
				return nil, err
			}
			return e.TxnDetached(ctx, nil, ops...)
		},
	}
	for name, call := range calls {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t)
			z := open(t, s)
			testkit.Create(t, z, "/q", "")
			testkit.Create(t, z, session.DefaultReceipts, "")
			defer s.Inject(zktest.Rule{Op: "multi", Nth: 1, Fault: zktest.DropReply})()
			defer s.Inject(zktest.Rule{Op: "getChildren2", Nth: 1, Fault: zktest.ExpireBefore})()
			rs, err := call(t.Context(), z)
			if err != nil || rs[1].Path != "/q/n-0000000000" {
				t.Errorf("%s: %+v, %v", name, rs, err)
			}
			if n := below(s, "/q/n-"); n != 1 {
				t.Errorf("%s: %d nodes", name, n)
			}
		})
	}
}

// ctx bounds the wait for a connection. After the request is sent, the call waits for the
// outcome as long as the epoch lasts.
func TestReceiptOutlivesContext(t *testing.T) {
	for _, fault := range []zktest.Fault{zktest.Refuse, zktest.DropReply, zktest.Hang, zktest.ExpireBefore, zktest.ExpireAfter} {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t)
			z := open(t, s)
			testkit.Create(t, z, session.DefaultReceipts, "")
			ctx, cancel := context.WithCancel(t.Context())
			cut := false
			remove := s.Fault(func(r zktest.Request) zktest.Fault {
				if r.Op != "multi" || cut {
					return zktest.Pass
				}
				cut = true
				cancel()
				return fault
			})
			defer remove()
			began := time.Now()
			_, err := z.TxnWithReceipt(ctx, session.OpCreate("/n", nil))
			if took := time.Since(began); took > timeout {
				t.Errorf("fault %d: returned after %v", fault, took)
			}
			created := below(s, "/n") > 0
			known := err == nil && created || err != nil && !errors.Is(err, session.ErrUnknown) && !created
			if !known && !errors.Is(err, session.ErrExpired) {
				t.Errorf("fault %d: created %v, the error is %v", fault, created, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		s.PartitionAll()
		await(t, timeout, "suspended", func() bool { return z.Status().State != session.Connected })
		began := time.Now()
		_, err := z.TxnWithReceipt(testkit.Within(t, 100*time.Millisecond), session.OpCreate("/n", nil))
		testkit.WantError(t, err, context.DeadlineExceeded)
		if errors.Is(err, session.ErrUnknown) {
			t.Errorf("nothing was sent, and the outcome is %v", err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("returned after %v", took)
		}
	})
}

// Bad arguments are refused before anything is sent, and a failed condition names
// its own op.
func TestReceiptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		before := len(ops(s))
		_, err := z.TxnWithReceipt(t.Context(), session.OpCreate("no slash", nil))
		testkit.WantError(t, err, session.ErrInvalid)
		if r, err := z.TxnWithReceipt(t.Context()); r != nil || err != nil {
			t.Errorf("no ops: %v, %v", r, err)
		}
		if sent := ops(s)[before:]; slices.Contains(sent, "multi") {
			t.Errorf("sent %q", sent)
		}
		_, err = z.TxnWithReceipt(t.Context(), session.OpCheck("/", session.AnyVersion), session.OpSet("/absent", nil, 3))
		var oe *session.OpError
		if !errors.As(err, &oe) || oe.Op != "set" || oe.Path != "/absent" || !errors.Is(err, session.ErrNoNode) {
			t.Errorf("error %v", err)
		}
	})
}

// The name of a node whose reply was lost is found among very many without
// reading them all.
func TestReceiptFindsNameAmongMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		testkit.Create(t, z, "/p", "")
		var before []session.Op
		for range 1000 {
			before = append(before, session.OpCreate("/p/n-", []byte("before"), session.Sequential()))
		}
		if _, err := z.TxnWithReceipt(t.Context(), before...); err != nil {
			t.Fatal(err)
		}
		if err := z.Delete(t.Context(), "/p/n-0000000500", session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		testkit.Create(t, z, "/p/n-0000000500", "put back, and so younger than its number says")
		loseReply(t, s, z, "multi", func() {
			if _, _, err := open(t, s).Create(t.Context(), "/p/n-", nil, session.Sequential()); err != nil {
				t.Error(err)
			}
		})
		s.ResetRequests()
		r, err := z.TxnWithReceipt(t.Context(), session.OpCreate("/p/n-", nil, session.Sequential()), session.OpCreate("/p/n-", nil, session.Sequential()))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := []string{r[0].Path, r[1].Path}, []string{"/p/n-0000001001", "/p/n-0000001002"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if n := len(s.Requests()); n > 100 {
			t.Errorf("it took %d requests", n)
		}
	})
}

// Servers before 3.9 return no Stat for a create in a transaction. The zxids in the result
// are those of the transaction.
func TestStatOfCreateInTxn(t *testing.T) {
	for _, version := range []string{"3.8", "3.9"} {
		synctest.Test(t, func(t *testing.T) {
			z := open(t, serve(t, zktest.WithVersion(version)))
			testkit.Create(t, z, "/n", "")
			results, err := z.Txn(t.Context(), session.OpCheck("/n", 0), session.OpCreate("/n/a", nil), session.OpCreate("/n/b-", nil, session.Sequential()), session.OpSet("/n", nil, 0))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results[1:3] {
				st, _, err := z.Exists(t.Context(), r.Path)
				if err != nil || r.Stat.Czxid != st.Czxid || r.Stat.Mzxid != st.Mzxid || r.Stat.Pzxid != st.Pzxid || r.Stat.Version != 0 {
					t.Errorf("%s: %+v, and it is %+v (%v)", version, r, st, err)
				}
			}
			if r := results[3]; r.Stat.Version != 1 || r.Stat.Mzxid != results[1].Stat.Czxid {
				t.Errorf("%s: the set one is %+v", version, r)
			}
			if results[0] != (session.Result{}) {
				t.Errorf("%s: the check is %+v", version, results[0])
			}
		})
	}
}
