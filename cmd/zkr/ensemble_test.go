//go:build ensemble && unix

package main

import (
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestEnsemble(t *testing.T) {
	scriptCommands["freeports"] = freePorts
	scriptCommands["waitfile"] = waitFile
	scriptCommands["killserver"] = killServer
	scriptCommands["portabove"] = portAbove
	runScripts(t, "testdata/ensemble")
}

// triedPorts counts the blocks of ports that freePorts has tried in this process.
var triedPorts atomic.Int64

// freePorts sets a variable to the first of N free ports, whose quorum and election
// ports are free as well. They are below the ports of outgoing connections. No two scripts
// of a process get the same block of ports, and concurrent runs of this test start to
// search at different ones.
func freePorts(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 2, "freeports VAR N")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	const lowest, highest, block = 20000, 32767 - electionOffset, 10
	const blocks = (highest - lowest + 1) / block
	if n > block {
		ts.Fatalf("%d ports, the limit is %d", n, block)
	}
	for range blocks {
		if first := lowest + (os.Getpid()+int(triedPorts.Add(1)))%blocks*block; free(first, n) {
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

// portAbove sets a variable to the port OFFSET above PORT.
func portAbove(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 3, "portabove VAR PORT OFFSET")
	port, err := strconv.Atoi(args[1])
	ts.Check(err)
	offset, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(port+offset))
}

// killServer waits until the server with a configuration file runs, and kills it.
func killServer(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 1, "killserver FILE")
	pattern := "^[^ ]*java .*" + regexp.QuoteMeta(ts.MkAbs(args[0])) + "$"
	var pid int
	waitUntil(ts, func() bool {
		out, _ := exec.Command("pgrep", "-f", pattern).Output()
		var err error
		pid, err = strconv.Atoi(strings.TrimSpace(string(out))) // fails unless there is exactly one
		return err == nil
	}, func() string { return "no server of " + args[0] })
	ts.Check(syscall.Kill(pid, syscall.SIGKILL))
}

// waitFile waits until a file exists.
func waitFile(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 1, "waitfile FILE")
	waitUntil(ts, func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err == nil
	}, func() string { return "no " + args[0] })
}
