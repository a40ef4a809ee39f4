package queue_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

const maxBuffer = 4 << 20

// Items may be as large as the session's WithMaxBuffer allows.
func TestLargerItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		testLargerItems(t, zktest.New(t, zktest.WithMaxBuffer(maxBuffer)).Session(t, session.WithMaxBuffer(maxBuffer)))
	})
}

func testLargerItems(t *testing.T, s *session.Session) {
	for _, l := range []queue.Layout{queue.Native, queue.KazooLocking} {
		q := texts(s, queue.WithLayout(l))
		big := strings.Repeat("x", q.MaxSize()-100)
		_, err := q.Push(testkit.Soon(t), strings.Repeat("x", q.MaxSize()+1))
		testkit.WantError(t, err, session.ErrInvalid)
		mustPush(t, q, big, "a", big[:3<<20], big[:3<<19], big[:3<<19], big[:3<<19])
		item := mustClaim(t, q, big)
		if err := item.Bury(testkit.Soon(t), errors.New("reason")); err != nil {
			t.Fatal(err)
		}
		item = mustClaim(t, q, "a")
		if err := item.Ack(testkit.Soon(t)); err != nil {
			t.Fatal(err)
		}
		item = mustClaim(t, q, big[:3<<20])
		if err := item.Nack(testkit.Soon(t)); err != nil {
			t.Fatal(err)
		}
		mustPop(t, q, big[:3<<20], big[:3<<19], big[:3<<19], big[:3<<19])
		if err := q.Requeue(testkit.Soon(t), dead(t, q)[0].ID); err != nil {
			t.Fatal(err)
		}
		mustPop(t, q, big)
		clear(t, s)
	}
}

// clear deletes the queue, for the next layout.
func clear(t *testing.T, s *session.Session) {
	t.Helper()
	var remove func(string)
	remove = func(p string) {
		names, _, err := s.Children(testkit.Soon(t), p)
		if err != nil {
			return
		}
		for _, n := range names {
			remove(session.Join(p, n))
		}
		s.Delete(testkit.Soon(t), p, session.AnyVersion)
	}
	remove(path)
}
