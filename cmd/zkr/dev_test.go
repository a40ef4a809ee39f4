//go:build unix

package main

import (
	"io"
	"net"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func init() { stageCommands["asked"] = asked }

// asked sends a four-letter word to the server at $ZK_SERVERS until its answer
// matches.
func asked(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "asked WORD REGEXP")
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	var answer []byte
	until(ts, func() bool {
		nc, err := net.DialTimeout("tcp", ts.Getenv("ZK_SERVERS"), patience)
		ts.Check(err)
		defer nc.Close()
		ts.Check(nc.SetDeadline(time.Now().Add(patience)))
		_, err = io.WriteString(nc, args[0])
		ts.Check(err)
		answer, err = io.ReadAll(nc)
		ts.Check(err)
		return re.Match(answer)
	}, func() string { return args[0] + ": " + string(answer) })
}
