package mempipe_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest/internal/mempipe"
)

func TestReadsWhatWasWrittenBeforeClose(t *testing.T) {
	client, server := mempipe.New("client", "server")
	if _, err := client.Write([]byte("last")); err != nil {
		t.Fatal(err)
	}
	client.Close()
	if b, err := io.ReadAll(server); err != nil || string(b) != "last" {
		t.Errorf("read %q, %v", b, err)
	}
	if _, err := server.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write to a closed reader: %v", err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read from a closed connection: %v", err)
	}
}

func TestDeadlineMovedWhileAReadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := mempipe.New("client", "server")
		start := time.Now()
		client.SetReadDeadline(start.Add(time.Hour))
		time.AfterFunc(time.Second, func() { client.SetReadDeadline(time.Now()) })
		_, err := client.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("read: %v after %v", err, time.Since(start))
		}
	})
}
