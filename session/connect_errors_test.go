package session_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/zkrecipes/zkrecipes/session"
)

// The error of Connect says for each server why there is no session.
func TestConnectSaysWhatEachServerAnswered(t *testing.T) {
	unused := func() string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		return ln.Addr().String()
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	go func() {
		for {
			conn, err := mute.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	servers := []string{unused(), unused(), mute.Addr().String()}
	ctx, cancel := context.WithCancel(t.Context())
	tried := make(map[string]bool)
	_, err = session.Connect(ctx, strings.Join(servers, ","),
		session.WithHooks(session.Hooks{State: func(st session.Status) {
			if st.Err != nil {
				tried[st.Server] = true
			}
			if len(tried) == len(servers) {
				cancel()
			}
		}}))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("Connect: %v", err)
	}
	for i, server := range servers {
		text := server + ": connection refused"
		if i == 2 {
			text = server + ": " // however the close shows
		}
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%v\ndoes not say %q", err, text)
		}
	}
}
