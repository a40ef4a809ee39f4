package cas_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/cas"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const path = "/app/count"

func increment(t *testing.T, s *session.Session) error {
	_, err := cas.Update(t.Context(), s, session.OpError{Package: "test", Op: "increment", Path: path}, path, func(n session.Node) ([]byte, error) {
		v := 0
		fmt.Sscan(string(n.Data), &v)
		return fmt.Append(nil, v+1), nil
	})
	return err
}

func wantCount(t *testing.T, s *session.Session, want string) {
	t.Helper()
	if data, _, err := s.Get(t.Context(), path); err != nil || string(data) != want {
		t.Errorf("the count is %q (%v), want %s", data, err, want)
	}
}

// The node and its ancestors are created, and concurrent changes are all applied.
func TestUpdate(t *testing.T) {
	s := zktest.New(t).Session(t)
	errs := make(chan error)
	for range 10 {
		go func() { errs <- increment(t, s) }()
	}
	for range 10 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	wantCount(t, s, "10")
}

// If an operator deletes the session's receipt while the outcome of a write is being
// found out, the outcome is unknown. That is no conflict, and the change is not made
// again.
func TestReceiptIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, operator := srv.Session(t), srv.Session(t)
		for range 2 {
			if err := increment(t, s); err != nil {
				t.Fatal(err)
			}
		}
		srv.Inject(zktest.Rule{Op: "multi", Nth: 1, Fault: zktest.DropReply})
		srv.Inject(zktest.Rule{Op: "sync", Delay: time.Second}) // which precedes the read of the receipt
		result := make(chan error)
		go func() { result <- increment(t, s) }()
		for {
			if data, _, err := operator.Get(t.Context(), path); err != nil || string(data) == "3" {
				break
			}
			time.Sleep(time.Millisecond)
		}
		names, _, err := operator.Children(t.Context(), session.DefaultReceipts)
		if err != nil || len(names) == 0 {
			t.Fatalf("receipts: %q, %v", names, err)
		}
		for _, name := range names {
			if err := operator.Delete(t.Context(), session.Join(session.DefaultReceipts, name), session.AnyVersion); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-result; !errors.Is(err, session.ErrUnknown) {
			t.Errorf("increment: %v", err)
		}
		wantCount(t, s, "3")
	})
}
