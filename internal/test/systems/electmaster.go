package systems

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

const (
	electMasterRoot = "/ElectMasterDemo"
	electMasterNode = electMasterRoot + "/master"
)

// electMaster runs contenders for the node electMasterNode.
type electMaster struct {
	t       *testing.T
	target  *zktest.Target
	masters *masters
}

func newElectMaster(t *testing.T, target *zktest.Target) *electMaster {
	s := target.Session(t)
	if _, _, err := s.Create(t.Context(), electMasterRoot, nil); err != nil { // as the article's first program does
		t.Fatal(err)
	}
	return &electMaster{t, target, newMasters(t)}
}

// electProcess is a contender that uses package election.
type electProcess struct {
	client   *client
	watching chan struct{} // receives a value when the process watches the master's node
	done     chan error    // receives the result of Run
}

// start starts a contender.
func (e *electMaster) start(name string) *electProcess {
	p := &electProcess{watching: make(chan struct{}, 1000), done: make(chan error, 1)}
	p.client = newClient(e.t, e.target, session.WithHooks(session.Hooks{Request: func(r session.RequestInfo) {
		if r.Op == "exists" && r.Path == e.target.Root()+electMasterNode {
			p.watching <- struct{}{}
		}
	}}))
	contender := election.New(p.client.session, electMasterRoot, election.WithFixedNode("master"), election.WithID(name))
	go func() {
		p.done <- contender.Run(context.Background(), func(ctx context.Context, term *election.Term) error {
			e.masters.add(name, term)
			<-ctx.Done() // the master's work
			return ctx.Err()
		})
	}()
	return p
}

// foreignProcess is a contender that uses go-zookeeper directly.
type foreignProcess struct {
	conn     *zk.Conn
	watching chan struct{} // receives a value when the process watches the master's node
}

// startForeign starts a contender that does what the article's program does: it
// creates the node. If the node exists, it watches the node and tries again when the
// node is deleted.
func (e *electMaster) startForeign(name string) *foreignProcess {
	conn, _, err := zk.Connect(strings.Split(e.target.Hosts(), ","), 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		e.t.Fatal(err)
	}
	p := &foreignProcess{conn, make(chan struct{}, 1000)}
	node := e.target.Root() + electMasterNode
	go func() {
		for {
			_, err := conn.Create(node, []byte(name), zk.FlagEphemeral, openACL)
			if err == nil {
				e.masters.addForeign(name)
				return
			}
			exists, _, events, err := conn.ExistsW(node)
			if err != nil {
				return // the connection is closed
			}
			p.watching <- struct{}{}
			if !exists {
				continue
			}
			for ev := range events {
				if ev.Type == zk.EventNodeDeleted {
					break
				}
			}
		}
	}()
	e.t.Cleanup(func() { e.closeForeign(name, p) })
	return p
}

// closeForeign closes the connection of a foreign contender.
func (e *electMaster) closeForeign(name string, p *foreignProcess) {
	e.masters.removeForeign(name)
	p.conn.Close()
}

// ElectMaster runs two processes. The first becomes master. When it is closed, the
// second receives the deletion and becomes master; and again when a process dies
// without closing its session.
func ElectMaster(t *testing.T, target *zktest.Target) {
	e := newElectMaster(t, target)
	first := e.start("first")
	e.masters.awaitNew(t, "first")
	second := e.start("second")
	receive(t, "watch", second.watching)
	first.client.close(t)
	e.masters.awaitNew(t, "second")
	if err := receive(t, "end of the first process", first.done); !errors.Is(err, session.ErrClosed) {
		t.Errorf("the first process ended with %v", err)
	}

	third := e.start("third")
	receive(t, "watch", third.watching)
	second.client.network.cut()
	e.masters.awaitNew(t, "third")
}

// ElectMasterWithForeignProgram runs processes of ours and the article's program as
// contenders for the same node.
func ElectMasterWithForeignProgram(t *testing.T, target *zktest.Target) {
	e := newElectMaster(t, target)
	first := e.start("first")
	e.masters.awaitNew(t, "first")
	foreign := e.startForeign("foreign")
	receive(t, "watch", foreign.watching)
	first.client.close(t)
	e.masters.awaitNew(t, "foreign")

	second := e.start("second")
	receive(t, "watch", second.watching)
	e.closeForeign("foreign", foreign)
	e.masters.awaitNew(t, "second")

	foreign = e.startForeign("foreign again")
	receive(t, "watch", foreign.watching)
	second.client.network.cut()
	e.masters.awaitNew(t, "foreign again")
}

// ElectMasterOfThree runs three contenders, one of them foreign. Each one that becomes
// master is closed and started again, twenty times.
func ElectMasterOfThree(t *testing.T, target *zktest.Target) {
	e := newElectMaster(t, target)
	processes := map[string]*electProcess{"first": e.start("first"), "second": e.start("second")}
	foreign := e.startForeign("foreign")
	for range 20 {
		switch name := e.masters.awaitNew(t, "first", "second", "foreign"); name {
		case "foreign":
			e.closeForeign(name, foreign)
			foreign = e.startForeign(name)
		default:
			processes[name].client.close(t)
			processes[name] = e.start(name)
		}
	}
}

// ElectMasterWhileServersStop stops the server that the master is connected to, three
// times. Either the master reconnects to another server and remains master, or
// another process becomes master.
func ElectMasterWhileServersStop(t *testing.T, target *zktest.Target) {
	if target.Kind == zktest.External {
		return // the test must not stop its servers
	}
	e := newElectMaster(t, target)
	processes := map[string]*electProcess{}
	for _, name := range []string{"first", "second", "third"} {
		processes[name] = e.start(name)
	}
	e.masters.awaitNew(t, "first", "second", "third")
	for range 3 {
		name, _ := e.masters.current()
		if name == "" {
			name = e.masters.awaitNew(t, "first", "second", "third")
		}
		restart := stopServer(t, target, processes[name].client.session.Status().Server)
		if target.Kind == zktest.Embedded { // there is no other server
			restart()
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		for {
			if _, term := e.masters.current(); term != nil && term.Verify(ctx) == nil {
				break
			}
			if err := ctx.Err(); err != nil {
				t.Fatal("there is no master any more")
			}
		}
		cancel()
		restart()
	}
}

// stopServer stops the server with this address.
func stopServer(t *testing.T, target *zktest.Target, addr string) (restart func()) {
	t.Helper()
	if target.Kind == zktest.Embedded {
		target.Server.Stop()
		return sync.OnceFunc(func() {
			if err := target.Server.Restart(); err != nil {
				t.Fatal(err)
			}
		})
	}
	for _, server := range target.Cluster.Servers() {
		if server.Addr() == addr {
			server.Stop()
			return sync.OnceFunc(func() {
				if err := server.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
	t.Fatalf("no server has the address %s", addr)
	return nil
}
