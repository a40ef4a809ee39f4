//go:build unix

package main

import (
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// More commands for the transcripts:
//
//	watched              wait until somebody watches something
//	watchers N           wait until N sessions do
//	say NAME LINE        write a line to the stdin of a process
//	hush NAME            end its stdin
//	silence              have the server answer nothing any more
//	hang OP              have it answer no request of this name, and nothing behind it
//	hung OP N            wait until it has had N of them
//	grepped NAME REGEXP  the output of a process that has been joined matches
func init() {
	stageCommands["watched"] = watched
	stageCommands["watchers"] = watchers
	stageCommands["say"] = say
	stageCommands["hush"] = hush
	stageCommands["grepped"] = grepped
	stageCommands["silence"] = silence
	stageCommands["hang"] = hang
	stageCommands["hung"] = hung
}

func watched(ts *testscript.TestScript, neg bool, args []string) {
	s := on(ts).server
	until(ts, func() bool { return len(s.Watches()) > 0 }, s.Tree)
}

func watchers(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "watchers N")
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	s := on(ts).server
	until(ts, func() bool {
		sessions := make(map[int64]bool)
		for _, w := range s.Watches() {
			sessions[w.Session] = true
		}
		return len(sessions) == n
	}, s.Tree)
}

func say(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "say NAME LINE")
	_, err := io.WriteString(named(ts, args[0]).in.(io.Writer), strings.Join(args[1:], " ")+"\n")
	ts.Check(err)
}

func hush(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "hush NAME")
	ts.Check(named(ts, args[0]).in.Close())
}

func grepped(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "grepped NAME REGEXP")
	x := named(ts, args[0])
	all := x.out.String() + x.err.String()
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	if !re.MatchString(all) {
		ts.Fatalf("no %q in:\n%s", args[1], all)
	}
}

func silence(ts *testscript.TestScript, neg bool, args []string) { on(ts).server.Pause() }

func hang(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "hang OP")
	s := on(ts).server
	s.ResetRequests()
	s.Inject(zktest.Rule{Op: args[0], Fault: zktest.Hang})
}

func hung(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "hung OP N")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	s := on(ts).server
	until(ts, func() bool {
		got := 0
		for _, r := range s.Requests() {
			if r.Op == args[0] {
				got++
			}
		}
		return got >= n
	}, s.Tree)
}
