package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// A wait is explained after a second, and again for each new holder. Nothing is read
// before.
func TestExplainWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		const anyTerminal = 1 << 20
		a := &app{stderr: &statusLine{w: &out, fd: anyTerminal}}
		var mu sync.Mutex // guards what follows
		reads := 0
		current := waitReason{"1", ", held by a", " for at most 3s"}
		var readErr error
		change := func(reason waitReason, err error) {
			mu.Lock()
			defer mu.Unlock()
			current, readErr = reason, err
		}
		stop := a.explain(t.Context(), waitExplanation{what: "/lock", read: func(context.Context) (waitReason, error) {
			mu.Lock()
			defer mu.Unlock()
			reads++
			return current, readErr
		}})
		expect := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			a.stderr.mu.Lock()
			defer a.stderr.mu.Unlock()
			if got := out.String(); got != want {
				t.Errorf("printed %q, want %q", got, want)
			}
			out.Reset()
		}
		expect(waitDelay-1, "")
		mu.Lock()
		if reads != 0 {
			t.Errorf("%d reads in the first second", reads)
		}
		mu.Unlock()
		expect(1, "zkr: waiting for /lock, held by a for at most 3s\n")
		expect(10*waitInterval, "")
		change(waitReason{"2", ", held by b", " for at most 4s"}, nil)
		expect(waitInterval, "zkr: waiting for /lock, held by b\n")
		change(waitReason{}, nil)
		expect(waitInterval, "")
		change(waitReason{}, errors.New("broken"))
		expect(waitInterval, "zkr: waiting for /lock\n")
		change(waitReason{}, context.DeadlineExceeded)
		expect(waitInterval, "zkr: waiting for /lock, and no server answers\n")
		stop()
		stop()
		change(waitReason{key: "3"}, nil)
		expect(waitInterval, "")

		a.quiet = true
		defer a.explain(t.Context(), waitExplanation{what: "/lock"})()
		expect(waitInterval, "")
	})
}

// Holders are named by their ids, or their nodes if they have none.
func TestHeldBy(t *testing.T) {
	all := []holder{{id: "a", token: 1}, {id: "", token: 2, path: "/l/x-lock-0000000001"}, {id: "two words", token: 3}, {id: "d", token: 4}, {id: "e", token: 5}}
	for n, want := range []string{"", ", held by a", ", held by a and x-lock-0000000001", `, held by a, x-lock-0000000001 and "two words"`,
		`, held by a, x-lock-0000000001, "two words" and d`, `, held by a, x-lock-0000000001, "two words" and 2 others`} {
		got := heldBy("held by", all[:n]...)
		if got.text != want || (got.key == "") != (n == 0) {
			t.Errorf("%d holders: %+v, want %q", n, got, want)
		}
	}
}

// The texts of errors have no names of packages, and each path once.
func TestErrorText(t *testing.T) {
	noAuth := &session.OpError{Op: "create", Path: "/app/lock/_c_x-lock-", Err: session.ErrNoAuth}
	for _, test := range []struct {
		err  error
		want string
	}{
		{session.ErrClosed, "closed"},
		{session.CheckPath("lock"), `path "lock" does not start with /`},
		{&session.OpError{Package: "lock", Op: "lock", Path: "/app/lock", Err: noAuth}, "/app/lock: not authorized"},
		{&session.OpError{Package: "queue", Op: "push", Path: "/q", Err: &session.OpError{Op: "get", Path: "/q", Err: session.ErrNoNode}}, "/q: no such node"},
		{&session.OpError{Package: "queue", Op: "push", Path: "/q", Err: &session.OpError{Op: "get", Path: "/q/items", Err: session.ErrNoNode}}, "/q/items: no such node"},
		{&session.OpError{Path: "/app/lock", Err: fmt.Errorf("lock: ownership lost: %w", noAuth)}, "/app/lock: ownership lost: not authorized"},
		{errors.Join(errors.New("first"), noAuth), "first\n/app/lock/_c_x-lock-: not authorized"},
		{&session.OpError{Op: "connect", Path: "zk1:2181,zk2:2181", Err: errors.New("no session within 1s (zk1:2181: connection refused; zk2:2181: i/o timeout)")},
			"no server at zk1:2181,zk2:2181: zk1:2181: connection refused; zk2:2181: i/o timeout"},
	} {
		if got := newErrorText(test.err).String(); got != test.want {
			t.Errorf("%v is printed as %q, want %q", test.err, got, test.want)
		}
	}
}

// The next step depends on where the servers are.
func TestIsLoopback(t *testing.T) {
	for connect, want := range map[string]bool{
		"127.0.0.1:2181": true, "localhost:2181/app": true, "[::1]:2181": true, "localhost": true,
		"zk1:2181": false, "127.0.0.1:2181,zk1:2181": false,
	} {
		if got := isLoopback(connect); got != want {
			t.Errorf("isLoopback(%q) = %v", connect, got)
		}
	}
	if got := sentence("text", ""); strings.HasSuffix(got, ".") {
		t.Errorf("got %q", got)
	}
}
