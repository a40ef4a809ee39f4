package lock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Tokens rise from one acquisition to the next, also if the session has ended, the
// server was restarted or the lock's path was deleted in between.
func TestTokensRiseAcrossRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		var last session.Zxid
		for _, between := range []func(){
			func() {},
			func() { srv.Expire(a.Status().ID) },
			func() {
				srv.Stop()
				time.Sleep(time.Second)
				if err := srv.Restart(); err != nil {
					t.Fatal(err)
				}
			},
			func() { testkit.Delete(t, b, path) },
			func() {
				if err := a.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				a = srv.Session(t)
			},
		} {
			between()
			for _, s := range []*session.Session{a, b} {
				l := mustLock(t, lock.New(s, path))
				if l.Token() <= last {
					t.Errorf("token %v came after %v", l.Token(), last)
				}
				last = l.Token()
				mustUnlock(t, l)
			}
		}
	})
}
