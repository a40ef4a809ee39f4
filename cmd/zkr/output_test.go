//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// printingCommands are commands that print at once, with the nodes of prepareNodes.
var printingCommands = []string{
	"--help", "--version", "queue --help",
	"bench lock --clients 1 --ops 1", "config get /c", "config set /c 2", "config watch /c",
	"queue push /q x", "queue pop /q", "queue pop --at-most-once /q", "queue pop --layout simple /s", "queue len /q", "queue ls /q",
	"queue dead ls /d", "queue dead requeue /d", "queue dead drop /d",
	"name lookup /a", "name ls /", "name next /next",
	"member ls /m", "member watch /m", "service ls", "service ls web", "service watch web",
	"task submit /t x", "task ls /t", "inspect /", "inspect --watch /c", "elect --observe /e", "elect ls /e", "lock ls /k", "lock /l", "elect /e2", "dev --listen 127.0.0.1:0", "member join --id b /m",
	"service register --name web --addr 10.0.0.2:80", "barrier enter -n 1 /b",
}

// A command whose output cannot be written reports it and exits with 5. If the output
// is a closed pipe, it exits with 141 and reports nothing, as other commands do.
func TestOutputCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	r, broken, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer broken.Close()
	for _, command := range printingCommands {
		for _, json := range []string{"", "--json "} {
			t.Run(json+command, func(t *testing.T) {
				server := zktest.New(t)
				keep := prepareNodes(t, server.Addr())
				defer keep()
				zkr := func(stdout *os.File) (code int, stderr string) {
					var errs bytes.Buffer
					args := append([]string{"--server", server.Addr(), "-q"}, strings.Fields(json+command)...)
					return run(args, stdout, &errs), errs.String()
				}
				if code, stderr := zkr(full); code != exitOutput || strings.Count(stderr, "no space left") != 1 {
					t.Errorf("to a full device: exit code %d\n%s", code, stderr)
				}
				if code, stderr := zkr(broken); code != 141 || stderr != "" {
					t.Errorf("to a closed pipe: exit code %d\n%s", code, stderr)
				}
			})
		}
	}
}

// The help of every command that prints names the exit code for output that cannot be
// written.
func TestHelpNamesExitOfOutput(t *testing.T) {
	for _, command := range printingCommands {
		words := strings.Fields(command)
		if strings.Contains(command, "--help") || words[0] == "--version" {
			continue
		}
		n := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "-") || strings.HasPrefix(w, "/") || w == "web" })
		if n < 0 {
			n = len(words)
		}
		var out bytes.Buffer
		run(append(words[:n:n], "--help"), &out, &out)
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), "5 if ") {
			t.Errorf("zkr %s --help does not name exit code 5:\n%s", strings.Join(words[:n], " "), &out)
		}
	}
}

// prepareNodes gives every command something to print. The nodes exist until keep is
// called.
func prepareNodes(t *testing.T, addr string) (keep func()) {
	t.Helper()
	ok := func(args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(append([]string{"--server", addr}, args...), &out, &errs); code != 0 {
			t.Fatalf("%q: %d\n%s", args, code, errs.String())
		}
	}
	ok("config", "set", "/c", "1")
	ok("queue", "push", "/q", "a", "b", "c")
	ok("queue", "push", "--layout", "simple", "/s", "a", "b", "c")
	ok("queue", "push", "/d", "a", "b")
	buryItems(t, addr, "/d")
	ok("name", "bind", "/a", "1")
	ok("task", "submit", "/t", "x")
	s, err := session.Connect(t.Context(), addr)
	if err == nil {
		_, err = membership.New(s, "/m").Join(t.Context(), "a", nil)
	}
	if err == nil {
		_, err = registry.New(s, "").Register(t.Context(), registry.Instance{Service: "web", Addr: "10.0.0.1:80"})
	}
	if err == nil {
		_, err = election.New(s, "/e").Campaign(t.Context())
	}
	if err == nil {
		_, err = lock.New(s, "/k").Lock(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { s.Close(context.Background()) }
}

// An item that cannot be printed stays in the queue, unless it is removed before it is
// printed.
func TestPopKeepsUnprintedItems(t *testing.T) {
	server := zktest.New(t)
	zkr := func(stdout *os.File, args ...string) int {
		return run(append([]string{"--server", server.Addr(), "-q"}, args...), stdout, os.Stderr)
	}
	answer := func(args ...string) string {
		var out bytes.Buffer
		if code := run(append([]string{"--server", server.Addr(), "-q"}, args...), &out, os.Stderr); code != 0 {
			t.Fatalf("%q: %d", args, code)
		}
		return strings.TrimSpace(out.String())
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	answer("queue", "push", "/q", "a", "b", "c")
	if code := zkr(full, "queue", "pop", "--count", "3", "/q"); code != exitOutput {
		t.Errorf("exit code %d", code)
	}
	if got := answer("queue", "len", "/q"); got != "3" {
		t.Errorf("%s items are left", got)
	}
	if code := zkr(full, "queue", "pop", "--at-most-once", "-n", "/q"); code != exitOutput {
		t.Errorf("exit code %d", code)
	}
	if got := answer("queue", "pop", "-n", "--count", "5", "/q"); got != "b\nc" {
		t.Errorf("popped %q", got)
	}
}

// buryItems makes all items of the queue at path dead letters.
func buryItems(t *testing.T, addr, path string) {
	t.Helper()
	s, err := session.Connect(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	q := queue.New(s, path, codec.Bytes())
	for {
		item, err := q.TryClaim(t.Context())
		if errors.Is(err, queue.ErrEmpty) {
			return
		}
		if err == nil {
			err = item.Bury(t.Context(), errors.New("reason"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
