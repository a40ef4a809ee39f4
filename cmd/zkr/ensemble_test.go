//go:build ensemble && unix

package main

import (
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestEnsemble(t *testing.T) {
	stageCommands["ports"] = ports
	stageCommands["appears"] = appears
	stageCommands["killserver"] = killServer
	stageCommands["sibling"] = sibling
	runScripts(t, "testdata/ensemble")
}

// ports sets a variable to the first of so many free ports, with those by which the
// servers find each other. They are below those of outgoing connections, and where
// other runs of this test do not look first.
func ports(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "ports VAR N")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	const lowest, highest = 20000, 32767 - electionOffset
	places := (highest - lowest + 1) / n
	for i := range places {
		if first := lowest + (os.Getpid()+i)%places*n; free(first, n) {
			ts.Setenv(args[0], strconv.Itoa(first))
			return
		}
	}
	ts.Fatalf("no %d free ports", n)
}

func free(first, n int) bool {
	for port := first; port < first+n; port++ {
		for _, offset := range []int{0, quorumOffset, electionOffset} {
			l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port+offset))
			if err != nil {
				return false
			}
			defer l.Close()
		}
	}
	return true
}

// sibling sets a variable to a port that is so far above another.
func sibling(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3, "sibling VAR PORT OFFSET")
	port, err := strconv.Atoi(args[1])
	ts.Check(err)
	offset, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(port+offset))
}

// killServer kills the server with a configuration file, once it has been started.
func killServer(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "killserver FILE")
	pattern := "^[^ ]*java .*" + regexp.QuoteMeta(ts.MkAbs(args[0])) + "$"
	var pid int
	until(ts, func() bool {
		out, _ := exec.Command("pgrep", "-f", pattern).Output()
		var err error
		pid, err = strconv.Atoi(strings.TrimSpace(string(out))) // it is just one
		return err == nil
	}, func() string { return "no server of " + args[0] })
	ts.Check(syscall.Kill(pid, syscall.SIGKILL))
}

// appears waits for a file.
func appears(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "appears FILE")
	until(ts, func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err == nil
	}, func() string { return "no " + args[0] })
}
