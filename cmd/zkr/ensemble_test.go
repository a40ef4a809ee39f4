//go:build ensemble && unix

package main

import (
	"net"
	"os"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestEnsemble(t *testing.T) {
	stageCommands["ports"] = ports
	stageCommands["appears"] = appears
	runScripts(t, "testdata/ensemble")
}

// ports sets a variable to the first of so many free ports. They are below those
// of outgoing connections, and where other runs of this test do not look first.
func ports(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "ports VAR N")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	const lowest, highest = 20000, 32767
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
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			return false
		}
		defer l.Close()
	}
	return true
}

// appears waits for a file.
func appears(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "appears FILE")
	until(ts, func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err == nil
	}, func() string { return "no " + args[0] })
}
