//go:build unix

package main

import (
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// scriptCommands are the commands of the scripts beside those of package testscript.
//
// Processes:
//
//	code N CMD...        run a command that must exit with N
//	spawn NAME CMD...    start a command
//	await NAME REGEXP    wait until its output matches
//	output NAME REGEXP   its output matches already
//	sendline NAME LINE   write a line to its stdin
//	closestdin NAME      close its stdin
//	signal SIG NAME...   send it a signal
//	join NAME N          wait until the process has ended, and all processes that have
//	                     its output open. Its exit code must be N, or "killed". Its
//	                     output is written to the files NAME.out and NAME.err
//	lookpath VAR CMD     set a variable to the file of a command
//	id VAR NAME          set a variable to the default id of a zkr process, HOST:PID
//
// The server:
//
//	zkserver [BYTES]     start a server, with this jute.maxbuffer, and set $ZK_SERVERS
//	zkserver auth        start a server that requires digest authentication
//	zkserver oldkeeper   start a server with the operations of an old Keeper
//	jumpclock DURATION   move its clock
//	address NAME         set $ZK_SERVERS to the address that a process listens on
//	tlsproxy             start a TLS proxy for the server, and set $ZK_SERVERS
//	fourletter W REGEXP  send a four-letter word to $ZK_SERVERS until its answer matches
//	pauseserver          make the server answer nothing any more
//	hang OP              make it answer no request of this name, and none after that
//	hanging OP N         wait until it has received N of these requests
//
// Nodes and sessions:
//
//	nodes PATH N         wait until PATH has N children
//	tree REGEXP          wait until a dump of the tree matches
//	clean                wait until there is no session, ephemeral node or watch
//	haswatch             wait until there is a watch
//	watchers N           wait until N sessions have watches
//	expire PATH          expire the session that owns PATH or its oldest child
//	partition PATH       cut the connection of that session
//	remove PATH          delete a node
//	protect PATH AUTH    create a node that only AUTH may use
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"code":        code,
	"spawn":       spawn,
	"await":       await,
	"output":      outputMatches,
	"sendline":    sendLine,
	"closestdin":  closeStdin,
	"signal":      sendSignal,
	"join":        join,
	"lookpath":    findCommand,
	"id":          setID,
	"zkserver":    zkserver,
	"jumpclock":   jumpClock,
	"address":     address,
	"tlsproxy":    tlsProxy,
	"fourletter":  fourLetter,
	"pauseserver": pauseServer,
	"hang":        hang,
	"hanging":     hanging,
	"nodes":       nodes,
	"tree":        tree,
	"clean":       clean,
	"haswatch":    hasWatch,
	"watchers":    watchers,
	"expire":      expire,
	"partition":   partition,
	"remove":      remove,
	"protect":     protect,
}

// scriptEnv is the server and the processes of one script.
type scriptEnv struct {
	server    *zktest.Server
	processes map[string]*scriptProcess
}

type scriptEnvKey struct{}

func newScriptEnv() *scriptEnv { return &scriptEnv{processes: make(map[string]*scriptProcess)} }

func envOf(ts *testscript.TestScript) *scriptEnv { return ts.Value(scriptEnvKey{}).(*scriptEnv) }

func (s *scriptEnv) close() {
	for _, p := range s.processes {
		p.kill()
	}
	if s.server != nil {
		s.server.Close()
	}
}

// testTimeout bounds every wait of a test. It is long enough for a busy machine.
const testTimeout = 2 * time.Minute

// waitUntil polls until ok returns true. The server and other processes offer no event
// to wait for.
func waitUntil(ts *testscript.TestScript, ok func() bool, what func() string) {
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	expired := time.After(testTimeout)
	for !ok() {
		select {
		case <-poll.C:
		case <-expired:
			ts.Fatalf("timed out: %s", what())
		}
	}
}

func checkUsage(ts *testscript.TestScript, neg bool, args []string, n int, usage string) {
	if neg || len(args) < n {
		ts.Fatalf("usage: %s", usage)
	}
}
