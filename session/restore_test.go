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

// Servers that have lost their data refuse a client that has seen a later zxid.
// The epoch ends after the session timeout, and the next one is served.
func TestServersThatLostTheirData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		srv.JumpZxid(1 << 40)
		s := srv.Session(t)
		e, err := s.Epoch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Create(t.Context(), "/n", nil); err != nil {
			t.Fatal(err)
		}
		if err := srv.RestartEmpty(); err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		testkit.AwaitDone(t, e.Context())
		if took, most := time.Since(before), s.Timeout(); took > most {
			t.Errorf("the epoch ended after %v, and the timeout is %v", took, most)
		}
		if err := e.Err(); !errors.Is(err, session.ErrExpired) {
			t.Errorf("the epoch ended with %v", err)
		}
		if _, _, err := s.Get(t.Context(), "/n"); !errors.Is(err, session.ErrNoNode) {
			t.Errorf("the next epoch: %v", err)
		}
	})
}
