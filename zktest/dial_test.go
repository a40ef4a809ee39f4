package zktest_test

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestDialContextDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t)
		nc, err := s.DialContext(t.Context(), "tcp", "anywhere:1")
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		read := func() error { _, err := nc.Read(make([]byte, 1)); return err }
		start := time.Now()
		nc.SetReadDeadline(start.Add(9 * time.Second)) // before the server closes the connection without a handshake
		if err := read(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 9*time.Second {
			t.Errorf("read: %v after %v", err, time.Since(start))
		}
		nc.SetDeadline(time.Now())
		if _, err := nc.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v", err)
		}
		nc.SetDeadline(time.Time{})
		if _, err := nc.Write(wire.Frame(&wire.ConnectRequest{Timeout: 1000})); err != nil {
			t.Errorf("write: %v", err)
		}
		// A deadline moved while a read waits for it takes effect.
		if _, err := io.ReadFull(nc, make([]byte, 4+36)); err != nil {
			t.Errorf("read: %v", err)
		}
		nc.SetReadDeadline(time.Now().Add(time.Hour))
		time.AfterFunc(10*time.Millisecond, func() { nc.SetReadDeadline(time.Now()) })
		if err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
	})
}

func TestDialContextIsDone(t *testing.T) {
	s := zktest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.DialContext(ctx, "tcp", "zk:2181"); !errors.Is(err, context.Canceled) {
		t.Errorf("dialed: %v", err)
	}
}

func TestClosedConnection(t *testing.T) {
	s := zktest.New(t)
	nc, err := s.DialContext(t.Context(), "tcp", "zk:2181")
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	nc.Close()
	if _, err := nc.Read(make([]byte, 1)); err == nil {
		t.Error("read from a closed connection")
	}
	if _, err := nc.Write([]byte("x")); err == nil {
		t.Error("wrote to a closed connection")
	}
}
