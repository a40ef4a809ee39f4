package zktest

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	client "github.com/zkrecipes/zkrecipes/session"
)

// A session of one server cannot be resumed on another one that was started at the same
// time: their ids differ, and for equal ids the passwords differ.
func TestServersOfOneInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := make(map[int64]bool)
		for range 100 {
			id := New(t).nextSession
			if seen[id] {
				t.Fatalf("two servers begin with session %#x", id)
			}
			if seen[id] = true; !(client.Stat{EphemeralOwner: id}).Ephemeral() {
				t.Fatalf("session %#x could be the owner of a container or of a node with a time to live", id)
			}
		}
		a, b := New(t), New(t)
		b.nextSession = a.nextSession
		hi := func(s *Server, req *wire.ConnectRequest) *wire.ConnectResponse {
			nc, err := s.DialContext(t.Context(), "tcp", "zk:2181")
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			c := &rawClient{conn: nc}
			if err := c.handshake(req); err != nil {
				t.Fatal(err)
			}
			return &c.session
		}
		one, other := hi(a, &wire.ConnectRequest{Timeout: 4000}), hi(b, &wire.ConnectRequest{Timeout: 4000})
		if one.SessionID != other.SessionID || bytes.Equal(one.Passwd, other.Passwd) {
			t.Errorf("sessions %+v and %+v", one, other)
		}
		if got := hi(b, &wire.ConnectRequest{Timeout: 4000, SessionID: one.SessionID, Passwd: one.Passwd}); got.SessionID != 0 {
			t.Error("resumed a session of another server")
		}
	})
}

// A server that starts later has higher session ids, as a real one.
func TestSessionsOfALaterServer(t *testing.T) {
	now := time.Now()
	defer serversStarted.Store(serversStarted.Load())
	serversStarted.Store(0)
	first := firstSessionID(now)
	serversStarted.Store(0)
	if later := firstSessionID(now.Add(time.Millisecond)); later != first+1<<16 || first>>56 != 1 {
		t.Errorf("sessions from %#x and a millisecond later from %#x", first, later)
	}
}
