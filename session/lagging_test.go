package session_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A write whose reply was lost is looked up through another server, which has not
// applied it yet. It must not be taken for one that was not committed: a write that
// is repeated would be applied twice, or be refused because of itself.
func TestLostWriteIsLookedUpOnAServerThatLagsBehind(t *testing.T) {
	for _, w := range writes {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				behind := s.Follower(0)
				z, lose := moves(t, s, behind)
				testkit.Create(t, z, "/p", "")
				testkit.Create(t, z, "/p/old", "old")
				if w.receipt { // the session has a receipt, whose data the write changes
					if _, err := z.TxnWithReceipt(t.Context(), session.OpCheck("/p", 0)); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				behind.SetLag(timeout / 4)
				lost := lose()
				err := w.run(testkit.Within(t, time.Hour), z)
				if !lost() {
					t.Fatal("no reply was lost")
				}
				applied := w.applied(s)
				if (w.certain || w.receipt) && err != nil || err != nil && !errors.Is(err, session.ErrUnknown) {
					t.Errorf("error %v, applied %d times", err, applied)
				}
				if applied != 1 {
					t.Errorf("applied %d times, error %v\n%s", applied, err, s.Tree())
				}
			})
		})
	}
}

// moves connects a session to the leader. The function that it returns makes the session
// lose the reply to its next write and reconnect to another server.
func moves(t *testing.T, s *zktest.Server, to *zktest.Follower) (z *session.Session, lose func() (lost func() bool)) {
	var moved atomic.Bool
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if (addr == to.Name()) != moved.Load() {
			return nil, errors.New("cut off")
		}
		return s.DialContext(ctx, network, addr)
	}
	z = openAt(t, "zk1:2181,"+to.Name(), session.WithDialer(dial))
	return z, func() func() bool {
		remove := s.Fault(func(r zktest.Request) zktest.Fault {
			switch r.Op {
			case "create", "create2", "setData", "delete", "multi":
				if moved.CompareAndSwap(false, true) {
					return zktest.DropReply
				}
			}
			return zktest.Pass
		})
		t.Cleanup(remove)
		return moved.Load
	}
}
