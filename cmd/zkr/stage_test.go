//go:build unix

package main

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// stageCommands are the commands of the transcripts beside those of package
// testscript:
//
//	zkserver [BYTES]     start a server, with this jute.maxbuffer, and set $ZK_SERVERS
//	zkserver auth        start one that demands digest authentication
//	code N CMD...        run a command that must exit with N
//	spawn NAME CMD...    start a command
//	await NAME REGEXP    wait until its output matches
//	signal SIG NAME...   send it a signal
//	join NAME N          wait until it and all that write to its output have
//	                     ended; it must have exited with N (or "killed"), and its
//	                     output is in the files NAME.out and NAME.err
//	nodes PATH N         wait until PATH has N children
//	tree REGEXP          wait until a dump of the tree matches
//	clean                wait until no session, ephemeral node and watch is left
//	expire PATH          expire the session that owns PATH or its first child
//	partition PATH       cut that session off instead
//	remove PATH          delete a node
//	protect PATH AUTH    create a node that only AUTH may use
//	tlsproxy             put TLS before the server
//	address NAME         set $ZK_SERVERS to what the process listens on
//	asked WORD REGEXP    send a four-letter word to $ZK_SERVERS; the answer matches
//	find VAR CMD         set a variable to the file of a command
var stageCommands = map[string]func(*testscript.TestScript, bool, []string){
	"zkserver":  zkserver,
	"code":      code,
	"spawn":     spawn,
	"await":     await,
	"signal":    sendSignal,
	"join":      join,
	"nodes":     nodes,
	"tree":      tree,
	"clean":     clean,
	"expire":    expire,
	"partition": partition,
	"remove":    remove,
	"protect":   protect,
	"tlsproxy":  tlsProxy,
	"address":   address,
	"find":      find,
}

// stage is what one transcript plays on.
type stage struct {
	server *zktest.Server
	extras map[string]*extra
}

type stageKey struct{}

func newStage() *stage { return &stage{extras: make(map[string]*extra)} }

func on(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

func (s *stage) close() {
	for _, x := range s.extras {
		x.kill()
	}
	if s.server != nil {
		s.server.Close()
	}
}

// patience is how long anything may take, be the machine as busy as can be.
const patience = 2 * time.Minute

// until waits until ok holds. What it looks at is in the server or in other
// processes, and has no event to wait for.
func until(ts *testscript.TestScript, ok func() bool, what func() string) {
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	expired := time.After(patience)
	for !ok() {
		select {
		case <-poll.C:
		case <-expired:
			ts.Fatalf("in vain: %s", what())
		}
	}
}

func need(ts *testscript.TestScript, neg bool, args []string, n int, usage string) {
	if neg || len(args) < n {
		ts.Fatalf("usage: %s", usage)
	}
}

func zkserver(ts *testscript.TestScript, neg bool, args []string) {
	var opts []zktest.Option
	if len(args) > 0 && args[0] == "auth" {
		opts = append(opts, zktest.WithEnforcedAuth("digest"))
	} else if len(args) > 0 {
		n, err := strconv.Atoi(args[0])
		ts.Check(err)
		opts = append(opts, zktest.WithMaxBuffer(n))
	}
	s, err := zktest.Start(opts...)
	ts.Check(err)
	on(ts).server = s
	ts.Setenv("ZK_SERVERS", s.Addr())
}

func tree(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "tree REGEXP")
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	s := on(ts).server
	until(ts, func() bool { return re.MatchString(s.Tree()) }, s.Tree)
}

func nodes(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "nodes PATH N")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	s := on(ts).server
	until(ts, func() bool { return strings.Count("\n"+s.Tree(), "\n"+args[0]+"/") == n }, s.Tree)
}

func clean(ts *testscript.TestScript, neg bool, args []string) {
	s := on(ts).server
	until(ts, func() bool {
		return len(s.Sessions()) == 0 && len(s.Watches()) == 0 && !strings.Contains(s.Tree(), " ephemeral ")
	}, s.Tree)
}

func expire(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "expire PATH")
	on(ts).server.Expire(owning(ts, args[0]))
}

func partition(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "partition PATH")
	on(ts).server.Partition(owning(ts, args[0]))
}

// owning is the session that owns path, or else that node below it which was
// created first.
func owning(ts *testscript.TestScript, path string) int64 {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := director(ts, ctx)
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
		ts.Fatalf("nobody owns %s", path)
	}
	return slices.MinFunc(stats, func(a, b session.Stat) int { return int(a.Czxid - b.Czxid) }).EphemeralOwner
}

// director is a session for the transcript itself.
func director(ts *testscript.TestScript, ctx context.Context, opts ...session.Option) *session.Session {
	srv := on(ts).server
	s, err := session.Connect(ctx, "stage:1", append(opts, session.WithDialer(srv.DialContext))...)
	ts.Check(err)
	return s
}

func protect(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "protect PATH SCHEME:CRED")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	scheme, cred, _ := strings.Cut(args[1], ":")
	s := director(ts, ctx, session.WithAuth(scheme, []byte(cred)))
	defer s.Close(ctx)
	_, _, err := s.Create(ctx, args[0], nil, session.ACLs(session.CreatorACL()...))
	ts.Check(err)
}

func remove(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "remove PATH")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := director(ts, ctx)
	defer s.Close(ctx)
	ts.Check(s.Delete(ctx, args[0], session.AnyVersion))
}
