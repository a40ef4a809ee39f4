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

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// write is one kind of write whose outcome must be known whatever happens to its requests.
type write struct {
	name    string
	run     func(context.Context, *session.Session) error
	applied func(*zktest.Server) int // how often it has taken effect, as far as the tree shows
	certain bool                     // ErrUnknown is not an answer
	goes    bool                     // it makes a node that goes with the epoch
	receipt bool                     // ErrUnknown is an answer only if the epoch has ended
}

const guid = "0f8f1a52-6c6e-4c43-9a3b-0c5d2f3e4a51"

func createOf(path string, opts ...session.CreateOption) func(context.Context, *session.Session) error {
	return func(ctx context.Context, z *session.Session) error {
		_, _, err := z.Create(ctx, path, []byte("new"), opts...)
		return err
	}
}

func nodesBelow(prefix string) func(*zktest.Server) int {
	return func(s *zktest.Server) int { return below(s, prefix) }
}

// versionOf returns how often a node has been set.
func versionOf(path string) func(*zktest.Server) int {
	return func(s *zktest.Server) (v int) {
		_, rest, _ := strings.Cut(tree(s)[path], "v")
		fmt.Sscanf(rest, "%d", &v)
		return v
	}
}

// writes find /p with the child /p/old, both in version 0.
var writes = []write{
	{name: "persistent", run: createOf("/p/new"), applied: nodesBelow("/p/new")},
	{name: "ephemeral", run: createOf("/p/new", session.Ephemeral()), applied: nodesBelow("/p/new"), certain: true, goes: true},
	{
		name: "ephemeral sequential", certain: true, goes: true,
		run:     createOf("/p/new-", session.Ephemeral(), session.Sequential()),
		applied: nodesBelow("/p/new-"),
	},
	{
		name: "unique ephemeral sequential", certain: true, goes: true,
		run:     createOf("/p/"+guid+"-", session.Ephemeral(), session.Sequential(), session.Unique()),
		applied: nodesBelow("/p/" + guid),
	},
	{
		name: "unique ephemeral sequential with siblings", certain: true, goes: true,
		run: func(ctx context.Context, z *session.Session) error {
			var names []string
			path, _, err := z.Create(ctx, "/p/"+guid+"-", nil, session.Ephemeral(), session.Sequential(), session.Unique(), session.Siblings(&names))
			if _, name := session.Split(path); err == nil && (!slices.Contains(names, name) || !slices.Contains(names, "old")) {
				return fmt.Errorf("siblings of %s are %q", name, names)
			}
			return err
		},
		applied: nodesBelow("/p/" + guid),
	},
	{
		name: "unique ephemeral sequential with parents", certain: true, goes: true,
		run:     createOf("/p/q/"+guid+"-", session.Ephemeral(), session.Sequential(), session.Unique(), session.Parents()),
		applied: nodesBelow("/p/q/" + guid),
	},
	{
		name:    "unique persistent sequential",
		run:     createOf("/p/"+guid+"-", session.Sequential(), session.Unique()),
		applied: nodesBelow("/p/" + guid),
	},
	{
		name: "set",
		run: func(ctx context.Context, z *session.Session) error {
			_, err := z.Set(ctx, "/p/old", []byte("new"), session.AnyVersion)
			return err
		},
		applied: versionOf("/p/old"),
	},
	{
		name: "conditional set",
		run: func(ctx context.Context, z *session.Session) error {
			_, err := z.Set(ctx, "/p/old", []byte("new"), 0)
			return err
		},
		applied: versionOf("/p/old"),
	},
	{
		name:    "delete",
		run:     func(ctx context.Context, z *session.Session) error { return z.Delete(ctx, "/p/old", 0) },
		applied: func(s *zktest.Server) int { return 1 - below(s, "/p/old") },
	},
	{
		name: "transaction",
		run: func(ctx context.Context, z *session.Session) error {
			_, err := z.Txn(ctx, session.OpCheck("/p", 0), session.OpSet("/p/old", []byte("new"), session.AnyVersion),
				session.OpCreate("/p/"+guid, nil, session.Unique()))
			return err
		},
		applied: versionOf("/p/old"),
	},
	{
		name: "set with receipt", receipt: true,
		run:     withReceipt(session.OpSet("/p/old", []byte("new"), session.AnyVersion)),
		applied: versionOf("/p/old"),
	},
	{
		name: "transaction with receipt", receipt: true,
		run:     withReceipt(session.OpDelete("/p/old", 0), session.OpCreate("/p/new-", nil, session.Sequential())),
		applied: nodesBelow("/p/new-"),
	},
}

func withReceipt(ops ...session.Op) func(context.Context, *session.Session) error {
	return func(ctx context.Context, z *session.Session) error {
		_, err := z.TxnWithReceipt(ctx, ops...)
		return err
	}
}

var faults = map[string]zktest.Fault{
	"refuse": zktest.Refuse, "drop reply": zktest.DropReply, "cut": zktest.Cut, "hang": zktest.Hang,
	"expire before": zktest.ExpireBefore, "expire after": zktest.ExpireAfter,
}

// schedule injects faults by the number of the request, counted from 1 since it
// was installed. A second fault comes so many requests after the first.
func schedule(s *zktest.Server, first int, one zktest.Fault, later int, other zktest.Fault) (reached func() (bool, bool), remove func()) {
	n := 0
	remove = s.Fault(func(zktest.Request) zktest.Fault {
		switch n++; n {
		case first:
			return one
		case first + later:
			return other
		}
		return zktest.Pass
	})
	return func() (bool, bool) { return n >= first, n >= first+later }, remove
}

// tryWrite runs w under a schedule in a new world.
func tryWrite(t *testing.T, w write, label string, first int, one zktest.Fault, later int, other zktest.Fault) (reachedFirst, reachedSecond bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		testkit.Create(t, z, "/p", "")
		testkit.Create(t, z, "/p/old", "old")
		reached, remove := schedule(s, first, one, later, other)
		err := w.run(testkit.Within(t, time.Hour), z)
		remove()
		reachedFirst, reachedSecond = reached()
		if w.goes {
			time.Sleep(10 * timeout) // what an epoch has left behind goes, and what was created stays
		}
		applied := w.applied(s)
		switch {
		case err == nil && applied != 1:
			t.Errorf("%s: reported as committed, but it was applied %d times\n%s", label, applied, s.Tree())
		case errors.Is(err, session.ErrUnknown) && applied > 1:
			t.Errorf("%s: applied %d times\n%s", label, applied, s.Tree())
		case w.receipt && errors.Is(err, session.ErrUnknown) && !errors.Is(err, session.ErrExpired):
			t.Errorf("%s: error %v, and the epoch has not ended", label, err)
		case err != nil && (w.certain || !errors.Is(err, session.ErrUnknown)):
			t.Errorf("%s: error %v, applied %d times", label, err, applied)
		}
		var oe *session.OpError
		if err != nil && (!errors.As(err, &oe) || !slices.Contains([]string{"create", "set", "delete", "check"}, oe.Op) || !strings.HasPrefix(oe.Path, "/p")) {
			t.Errorf("%s: the error does not name what was asked for: %v", label, err)
		}
		if err := z.Close(t.Context()); err != nil {
			t.Errorf("%s: close: %v", label, err)
		}
		time.Sleep(2 * timeout) // for a session whose handshake was answered, but not received
		s.Leaks(t)
	})
	return reachedFirst, reachedSecond
}

// Curator's fault 3.7: a committed write is reported as failed. Whatever happens to any
// request of a write and to any of the few requests after it, the result agrees with the
// nodes, or is ErrUnknown if they do not show it; and no write is applied twice.
func TestWriteUnderEveryFault(t *testing.T) {
	const followers = 4 // a handshake, a sync, and two reads find out what became of a write
	for _, w := range writes {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			for first, more := 1, true; more; first++ {
				for oneName, one := range faults {
					label := fmt.Sprintf("%s at %d", oneName, first)
					if more, _ = tryWrite(t, w, label, first, one, 0, zktest.Pass); !more {
						break
					}
					for otherName, other := range faults {
						for later := 1; later <= followers; later++ {
							if _, ok := tryWrite(t, w, fmt.Sprintf("%s, %s %d later", label, otherName, later), first, one, later, other); !ok {
								break
							}
						}
					}
				}
			}
		})
	}
}

// If the context is done while any request of a write is in flight, the call returns
// immediately, and no ephemeral node is left.
func TestWriteContextEndsAtEveryRequest(t *testing.T) {
	for _, w := range writes {
		if w.receipt {
			continue // see TestReceiptOutlivesContext
		}
		t.Run(w.name, func(t *testing.T) {
			for first, more := 1, true; more; first++ {
				for _, one := range []zktest.Fault{zktest.Hang, zktest.DropReply, zktest.Refuse} {
					synctest.Test(t, func(t *testing.T) {
						s := serve(t)
						z := open(t, s)
						testkit.Create(t, z, "/p", "")
						testkit.Create(t, z, "/p/old", "old")
						reached, remove := schedule(s, first, one, 1, zktest.Hang)
						began := time.Now()
						err := w.run(testkit.Within(t, time.Second), z)
						took := time.Since(began)
						remove()
						if more, _ = reached(); !more {
							return
						}
						if took > time.Second {
							t.Errorf("fault %d at %d: returned after %v", one, first, took)
						}
						if err == nil {
							return // the fault came too late to matter
						}
						testkit.WantError(t, err, context.DeadlineExceeded)
						if applied := w.applied(s); applied != 0 && !w.goes {
							testkit.WantError(t, err, session.ErrUnknown)
						}
						time.Sleep(10 * timeout)
						if ephemerals(s) != 0 {
							t.Errorf("fault %d at %d: left behind:\n%s", one, first, s.Tree())
						}
					})
				}
			}
		})
	}
}

// If two goroutines of one session create the same ephemeral node, exactly one create
// succeeds, under any fault.
func TestTwoGoroutinesCreateSameEphemeral(t *testing.T) {
	for faultName, fault := range faults {
		for first := 1; first <= 4; first++ {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				z := open(t, s)
				_, remove := schedule(s, first, fault, 0, zktest.Pass)
				var wg sync.WaitGroup
				errs := make([]error, 2)
				for i := range errs {
					wg.Go(func() {
						_, _, errs[i] = z.Create(testkit.Within(t, time.Hour), "/node", nil, session.Ephemeral())
					})
				}
				wg.Wait()
				remove()
				won := 0
				for _, err := range errs {
					switch {
					case err == nil:
						won++
					case !errors.Is(err, session.ErrNodeExists):
						t.Errorf("%s at %d: %v", faultName, first, err)
					}
				}
				// An expiry takes the node of the first away, after which the
				// second may create it rightly.
				expired := fault == zktest.ExpireAfter || fault == zktest.ExpireBefore
				if won != 1 && !(expired && won == 2) || ephemerals(s) > 1 {
					t.Errorf("%s at %d: %d have created it\n%s", faultName, first, won, s.Tree())
				}
			})
		}
	}
}

// A conditional set that was committed is never reported as refused because other clients
// have changed the node since.
func TestSetLostAmongOthers(t *testing.T) {
	tests := []struct {
		name string
		act  func(context.Context, *session.Session) error
	}{
		{"set again", func(ctx context.Context, z *session.Session) error {
			_, err := z.Set(ctx, "/n", []byte("theirs"), 1)
			return err
		}},
		{"deleted", func(ctx context.Context, z *session.Session) error {
			return z.Delete(ctx, "/n", 1)
		}},
		{"deleted, created and set", func(ctx context.Context, z *session.Session) error {
			_, err := z.Txn(ctx, session.OpDelete("/n", 1), session.OpCreate("/n", []byte("theirs")), session.OpSet("/n", []byte("others"), 0))
			return err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				z, other := open(t, s), open(t, s)
				testkit.Create(t, z, "/n", "old")
				loseReply(t, s, z, "setData", func() {
					if err := tt.act(t.Context(), other); err != nil {
						t.Error(err)
					}
				})
				_, err := z.Set(testkit.Within(t, time.Minute), "/n", []byte("ours"), 0)
				testkit.WantError(t, err, session.ErrUnknown)
			})
		})
	}
}

// loseReply makes the server lose its reply to the next request of this name, and keeps z
// disconnected until meanwhile has returned.
func loseReply(t *testing.T, s *zktest.Server, z *session.Session, op string, meanwhile func()) {
	id := z.Status().ID
	var remove func()
	remove = s.Fault(func(r zktest.Request) zktest.Fault {
		if r.Session != id || r.Op != op {
			return zktest.Pass
		}
		heal := s.Fault(func(r zktest.Request) zktest.Fault {
			if r.Session == id {
				return zktest.Refuse
			}
			return zktest.Pass
		})
		broken := z.Changed() // the connection breaks once the request is applied
		go func() {
			<-broken
			meanwhile()
			heal()
		}()
		remove()
		return zktest.DropReply
	})
}

// After a lost reply the outcome that the nodes show is returned, and otherwise ErrUnknown.
func TestLostReply(t *testing.T) {
	set := func(path, data string) func(*testing.T, *session.Session) {
		return func(t *testing.T, z *session.Session) {
			if _, err := z.Set(t.Context(), path, []byte(data), session.AnyVersion); err != nil {
				t.Error(err)
			}
		}
	}
	tests := []struct {
		name      string
		op        string
		run       func(context.Context, *session.Session) error
		meanwhile func(*testing.T, *session.Session)
		want      error
	}{
		{
			name: "create, alone", op: "create2", want: session.ErrUnknown,
			run: createOf("/p/new"),
		},
		{
			name: "ephemeral, alone", op: "create2",
			run: createOf("/p/new", session.Ephemeral()),
		},
		{
			name: "ephemeral that others have deleted", op: "create2",
			run: createOf("/p/new", session.Ephemeral()),
			meanwhile: func(t *testing.T, z *session.Session) {
				if err := z.Delete(t.Context(), "/p/new", session.AnyVersion); err != nil {
					t.Error(err)
				}
			},
		},
		{
			name: "unique that others have deleted", op: "create2", want: session.ErrUnknown,
			run: createOf("/p/"+guid, session.Unique()),
			meanwhile: func(t *testing.T, z *session.Session) {
				if err := z.Delete(t.Context(), "/p/"+guid, session.AnyVersion); err != nil {
					t.Error(err)
				}
			},
		},
		{
			name: "conditions alone", op: "multi",
			run: func(ctx context.Context, z *session.Session) error {
				_, err := z.Txn(ctx, session.OpCheck("/p", 0), session.OpCheck("/p/old", 0))
				return err
			},
		},
		{
			name: "transaction whose ephemeral others have deleted", op: "multi", want: session.ErrUnknown,
			run: func(ctx context.Context, z *session.Session) error {
				_, err := z.Txn(ctx, session.OpSet("/p/old", []byte("new"), session.AnyVersion),
					session.OpCreate("/p/"+guid, nil, session.Unique(), session.Ephemeral()))
				return err
			},
			meanwhile: func(t *testing.T, z *session.Session) {
				if err := z.Delete(t.Context(), "/p/"+guid, session.AnyVersion); err != nil {
					t.Error(err)
				}
			},
		},
		{
			name: "delete of a node that others have created again", op: "delete", want: session.ErrUnknown,
			run: func(ctx context.Context, z *session.Session) error {
				return z.Delete(ctx, "/p/old", session.AnyVersion)
			},
			meanwhile: func(t *testing.T, z *session.Session) { testkit.Create(t, z, "/p/old", "") },
		},
		{
			name: "set that others have overwritten", op: "setData", want: session.ErrUnknown,
			run: func(ctx context.Context, z *session.Session) error {
				_, err := z.Set(ctx, "/p/old", []byte("new"), session.AnyVersion)
				return err
			},
			meanwhile: set("/p/old", "theirs"),
		},
		{
			name: "set of an ACL", op: "setACL", want: session.ErrUnknown,
			run: func(ctx context.Context, z *session.Session) error {
				_, err := z.SetACL(ctx, "/p/old", session.OpenACL(), -1)
				return err
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				z, other := open(t, s), open(t, s)
				testkit.Create(t, z, "/p", "")
				testkit.Create(t, z, "/p/old", "old")
				loseReply(t, s, z, tt.op, func() {
					if tt.meanwhile != nil {
						tt.meanwhile(t, other)
					}
				})
				err := tt.run(testkit.Within(t, time.Minute), z)
				if tt.want == nil && err != nil {
					t.Error(err)
				} else if tt.want != nil {
					testkit.WantError(t, err, tt.want)
				}
			})
		})
	}
}
