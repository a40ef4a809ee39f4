package session_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Watches fire for children that were created while a session was suspended when it
// reconnects, also if so many were created before that they do not change Pzxid.
func TestWatchPastSequenceEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t)
		a, b := s.Session(t), s.Session(t)
		testkit.Create(t, a, "/n", "")
		s.EndSequence("/n")
		_, _, w, err := epoch(t, a).WatchChildren(t.Context(), "/n")
		if err != nil {
			t.Fatal(err)
		}
		heal := s.Partition(a.Status().ID)
		time.Sleep(time.Second)
		testkit.Create(t, b, "/n/child", "")
		heal()
		select {
		case <-w.Fired():
		case <-time.After(time.Minute):
			t.Error("the watch has not fired")
		}
	})
}

// A parent in which so many children were created that new ones do not change its Pzxid does
// not show that a create was not committed.
func TestLostReplyPastSequenceEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t)
		z := s.Session(t)
		testkit.Create(t, z, "/n", "")
		s.EndSequence("/n")
		s.Inject(zktest.Rule{Op: "create2", Nth: 1, Fault: zktest.DropReply})
		s.Inject(zktest.Rule{Op: "create", Nth: 1, Fault: zktest.DropReply})
		_, _, err := z.Create(t.Context(), "/n/x-", nil, session.Sequential())
		if !errors.Is(err, session.ErrUnknown) {
			t.Errorf("a create whose reply was lost: %v", err)
		}
		names, _, err := z.Children(t.Context(), "/n")
		if err != nil || len(names) != 1 {
			t.Errorf("children %q, %v", names, err)
		}
	})
}
