//go:build unix

package main

import (
	"context"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func zkserver(ts *testscript.TestScript, neg bool, args []string) {
	var opts []zktest.Option
	switch {
	case len(args) == 0:
	case args[0] == "auth":
		opts = append(opts, zktest.WithEnforcedAuth("digest"))
	case args[0] == "oldkeeper":
		opts = append(opts, zktest.WithOldKeeper())
	default:
		n, err := strconv.Atoi(args[0])
		ts.Check(err)
		opts = append(opts, zktest.WithMaxBuffer(n))
	}
	s, err := zktest.Start(opts...)
	ts.Check(err)
	envOf(ts).server = s
	ts.Setenv("ZK_SERVERS", s.Addr())
}

func tree(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 1, "tree REGEXP")
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	s := envOf(ts).server
	waitUntil(ts, func() bool { return re.MatchString(s.Tree()) }, s.Tree)
}

func nodes(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 2, "nodes PATH N")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	s := envOf(ts).server
	waitUntil(ts, func() bool { return strings.Count("\n"+s.Tree(), "\n"+args[0]+"/") == n }, s.Tree)
}

func clean(ts *testscript.TestScript, neg bool, args []string) {
	s := envOf(ts).server
	waitUntil(ts, func() bool {
		return len(s.Sessions()) == 0 && len(s.Watches()) == 0 && !strings.Contains(s.Tree(), " ephemeral ")
	}, s.Tree)
}

func expire(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 1, "expire PATH")
	envOf(ts).server.Expire(ownerOf(ts, args[0]))
}

func partition(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 1, "partition PATH")
	envOf(ts).server.Partition(ownerOf(ts, args[0]))
}

// ownerOf returns the session that owns the node path, or the oldest ephemeral node
// below it.
func ownerOf(ts *testscript.TestScript, path string) int64 {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	s := adminSession(ts, ctx)
	defer s.Close(ctx)
	names, st, err := s.Children(ctx, path)
	ts.Check(err)
	stats := []session.Stat{st}
	for _, n := range names {
		st, _, err := s.Exists(ctx, session.Join(path, n))
		ts.Check(err)
		stats = append(stats, st)
	}
	stats = slices.DeleteFunc(stats, func(st session.Stat) bool { return st.EphemeralOwner == 0 })
	if len(stats) == 0 {
		ts.Fatalf("no session owns %s", path)
	}
	return slices.MinFunc(stats, func(a, b session.Stat) int { return int(a.Czxid - b.Czxid) }).EphemeralOwner
}

// adminSession returns a session for the script itself.
func adminSession(ts *testscript.TestScript, ctx context.Context, opts ...session.Option) *session.Session {
	srv := envOf(ts).server
	s, err := session.Connect(ctx, "server:1", append(opts, session.WithDialer(srv.DialContext))...)
	ts.Check(err)
	return s
}

func protect(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 2, "protect PATH SCHEME:CRED")
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	scheme, cred, _ := strings.Cut(args[1], ":")
	s := adminSession(ts, ctx, session.WithAuth(scheme, []byte(cred)))
	defer s.Close(ctx)
	_, _, err := s.Create(ctx, args[0], nil, session.ACLs(session.CreatorACL()...))
	ts.Check(err)
}

func remove(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 1, "remove PATH")
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	s := adminSession(ts, ctx)
	defer s.Close(ctx)
	ts.Check(s.Delete(ctx, args[0], session.AnyVersion))
}

func address(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 1, "address NAME")
	_, addr, _ := strings.Cut(processNamed(ts, args[0]).out.String(), "listening on ")
	ts.Setenv("ZK_SERVERS", strings.TrimSpace(addr))
}

// fourLetter sends the word again until the answer matches.
func fourLetter(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 2, "fourletter WORD REGEXP")
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	var answer []byte
	waitUntil(ts, func() bool {
		nc, err := net.DialTimeout("tcp", ts.Getenv("ZK_SERVERS"), testTimeout)
		ts.Check(err)
		defer nc.Close()
		ts.Check(nc.SetDeadline(time.Now().Add(testTimeout)))
		_, err = io.WriteString(nc, args[0])
		ts.Check(err)
		answer, err = io.ReadAll(nc)
		ts.Check(err)
		return re.Match(answer)
	}, func() string { return args[0] + ": " + string(answer) })
}

func hasWatch(ts *testscript.TestScript, neg bool, args []string) {
	s := envOf(ts).server
	waitUntil(ts, func() bool { return len(s.Watches()) > 0 }, s.Tree)
}

func watchers(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 1, "watchers N")
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	s := envOf(ts).server
	waitUntil(ts, func() bool {
		sessions := make(map[int64]bool)
		for _, w := range s.Watches() {
			sessions[w.Session] = true
		}
		return len(sessions) == n
	}, s.Tree)
}

func pauseServer(ts *testscript.TestScript, neg bool, args []string) { envOf(ts).server.Pause() }

func jumpClock(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 1, "jumpclock DURATION")
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	envOf(ts).server.JumpClock(d)
}

func hang(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 1, "hang OP")
	s := envOf(ts).server
	s.ResetRequests()
	s.Inject(zktest.Rule{Op: args[0], Fault: zktest.Hang})
}

func hanging(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 2, "hanging OP N")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	s := envOf(ts).server
	waitUntil(ts, func() bool {
		got := 0
		for _, r := range s.Requests() {
			if r.Op == args[0] {
				got++
			}
		}
		return got >= n
	}, s.Tree)
}
