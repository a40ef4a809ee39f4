package zktest_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A connection without a complete handshake is closed 10 to 20 s after its last byte, as on
// a real server. An incomplete request does not keep a session alive, and the connection is
// closed when the session expires.
func TestHalfAHandshakeIsNotWaitedForLong(t *testing.T) {
	hello := wire.Frame(&wire.ConnectRequest{Timeout: 4000, Passwd: make([]byte, 16)})
	for _, tt := range []struct {
		name       string
		greet      bool
		send       []byte
		after      time.Duration // since the server's start
		least, end time.Duration
	}{
		{"nothing", false, nil, 0, 20 * time.Second, 20 * time.Second},
		{"nothing, later", false, nil, 9 * time.Second, 11 * time.Second, 11 * time.Second},
		{"nothing, just before the next interval", false, nil, 19999 * time.Millisecond, 10001 * time.Millisecond, 10001 * time.Millisecond},
		{"two bytes", false, hello[:2], 0, 20 * time.Second, 20 * time.Second},
		{"a length", false, hello[:4], 0, 20 * time.Second, 20 * time.Second},
		{"half a handshake", false, hello[:20], 0, 20 * time.Second, 20 * time.Second},
		{"half a word", false, []byte("ru"), 0, 20 * time.Second, 20 * time.Second},
		{"a session and half a frame", true, hello[:20], 0, 4 * time.Second, 4*time.Second + 50*time.Millisecond},
		{"a session and two bytes", true, hello[:2], 0, 4 * time.Second, 4*time.Second + 50*time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := zktest.New(t)
				time.Sleep(tt.after)
				nc, err := s.DialContext(t.Context(), "tcp", "zk:2181")
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				began := time.Now()
				if tt.greet {
					nc.Write(hello)
				}
				nc.Write(tt.send)
				if _, err := io.Copy(io.Discard, nc); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took < tt.least || took > tt.end {
					t.Errorf("closed after %v", took)
				}
			})
		})
	}
}

// Every byte extends the deadline of the handshake.
func TestSlowHandshakeSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, err := zktest.New(t, zktest.WithTimeouts(time.Minute, time.Minute)).DialContext(t.Context(), "tcp", "zk:2181")
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		for _, b := range wire.Frame(&wire.ConnectRequest{Timeout: 4000, Passwd: make([]byte, 16)}) {
			time.Sleep(9 * time.Second)
			if _, err := nc.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.ReadFull(nc, make([]byte, 37)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second) // there is no such deadline after the handshake
		nc.Write(wire.Frame(&wire.RequestHeader{Xid: wire.XidPing, Op: wire.OpPing}))
		if _, err := io.ReadFull(nc, make([]byte, 20)); err != nil {
			t.Fatal(err)
		}
	})
}

// A client that is cut off does not notice that the deadline of its handshake has passed.
func TestPartitionHidesTheEndOfAHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t)
		nc, err := s.DialContext(t.Context(), "tcp", "zk:2181")
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		heal := s.PartitionAll()
		closed := make(chan time.Time)
		go func() {
			io.Copy(io.Discard, nc)
			closed <- time.Now()
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		select {
		case <-closed:
			t.Error("closed")
		default:
		}
		heal()
		<-closed
	})
}
