package zktest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest/internal/javaproc"
	"github.com/zkrecipes/zkrecipes/zktest/internal/proxy"
)

// A server is asked again and again, each time on a connection of its own: one
// that it accepts at a bad moment it never answers. It gets twice the time each
// time, for one on a busy machine may just be slow.
const (
	pollInterval = 25 * time.Millisecond
	pollTimeout  = 500 * time.Millisecond // of the first try
)

// A Node is one server of a Cluster.
type Node struct {
	cluster  *Cluster
	id       int
	dir      string
	client   string // addresses that it listens on itself
	quorum   string
	election string
	proxy    *Proxy // between its clients and it; nil if its ports are fixed

	mu     sync.Mutex
	proc   *javaproc.Process // nil before the first start
	logged int64             // size of the log before the latest start
}

func newNode(c *Cluster, id int, dir string) (*Node, error) {
	fixed := c.opts.ports.fixed()
	var addrs []string
	var err error
	if fixed {
		addrs, err = c.opts.ports.addrs(id, c.size == 1)
	} else {
		addrs, err = freeAddrs(3)
	}
	if err != nil {
		return nil, err
	}
	n := &Node{cluster: c, id: id, dir: dir, client: addrs[0], quorum: addrs[1], election: addrs[2]}
	if fixed {
		return n, nil
	}
	n.proxy, err = NewProxy(n.client)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// ID is the server's id in the ensemble, from 1.
func (n *Node) ID() int { return n.id }

// Addr is the host:port for clients.
func (n *Node) Addr() string {
	if n.proxy == nil {
		return n.client
	}
	return n.proxy.Addr()
}

// Proxy is what stands between the server and its clients. It panics, as all that
// needs a proxy does, if WithPorts has left none.
func (n *Node) Proxy() *Proxy {
	if n.proxy == nil {
		panic("zktest: with WithPorts there are no proxies")
	}
	return n.proxy
}

// Log returns what the server has logged.
func (n *Node) Log() string { return readFile(n.logPath()) }

func (n *Node) logPath() string { return filepath.Join(n.dir, "zookeeper.log") }

// Mode returns what the server takes itself for: leader, follower or
// standalone. It is an error if it does not serve; one that does not answer is
// asked until ctx ends. The question takes no notice of cuts.
func (n *Node) Mode(ctx context.Context) (string, error) {
	s, err := n.state(ctx)
	return s.mode, err
}

type nodeState struct {
	mode string
	zxid int64
}

// state asks until there is an answer, or nobody to answer.
func (n *Node) state(ctx context.Context) (nodeState, error) {
	for patience := pollTimeout; ; patience *= 2 {
		try, cancel := context.WithTimeout(ctx, patience)
		s, err := n.queryState(try)
		silent := try.Err() != nil
		cancel()
		if err == nil || !silent || ctx.Err() != nil {
			return s, err
		}
	}
}

func (n *Node) queryState(ctx context.Context) (nodeState, error) {
	answer, err := n.Word(ctx, "srvr")
	if err != nil {
		return nodeState{}, err
	}
	mode := wordField(answer, "Mode")
	if mode == "" {
		return nodeState{}, fmt.Errorf("zktest: server %d does not serve", n.id)
	}
	zxid, err := strconv.ParseInt(wordField(answer, "Zxid"), 0, 64)
	return nodeState{mode, zxid}, err
}

// Word sends a four-letter word to the server, past the proxy, and returns
// the answer.
func (n *Node) Word(ctx context.Context, word string) (string, error) {
	return sendWord(ctx, n.client, word)
}

// Start starts the server if it does not run, and returns when it serves, for
// which a majority of the servers has to run.
func (n *Node) Start(ctx context.Context) error {
	if err := n.launch(); err != nil {
		return err
	}
	return n.wait(ctx)
}

// Restart is Stop and Start.
func (n *Node) Restart(ctx context.Context) error {
	n.Stop()
	return n.Start(ctx)
}

// Stop asks the server to end and returns when it has.
func (n *Node) Stop() { n.running().Stop() }

// Kill ends the server as a power failure does, and returns when it is gone.
// It is not told, and neither are its peers and clients but by the end of
// their connections.
func (n *Node) Kill() { n.running().Kill() }

// Pause stops the server's clock, as it were: the process stays, with all its
// connections, and does nothing until Resume.
func (n *Node) Pause() error { return n.running().Pause() }

// Resume lets a paused server go on.
func (n *Node) Resume() error { return n.running().Resume() }

// CutClients makes a black hole of the network between the server and its
// clients; see Proxy.Cut.
func (n *Node) CutClients() (heal func()) { return n.Proxy().Cut() }

// RejectClients resets the connections of the server's clients and all that
// they try to open; see Proxy.Reject.
func (n *Node) RejectClients() (heal func()) { return n.Proxy().Reject() }

// CutPeers makes a black hole of the network between the server and the other
// servers; see Proxy.Cut.
func (n *Node) CutPeers() (heal func()) { return n.eachPeerProxy((*proxy.Proxy).Cut) }

// RejectPeers resets the connections between the server and the other servers
// and all that they try to open; see Proxy.Reject.
func (n *Node) RejectPeers() (heal func()) { return n.eachPeerProxy((*proxy.Proxy).Reject) }

// DelayPeers makes every byte between the server and the other servers arrive
// d later; see Proxy.Delay.
func (n *Node) DelayPeers(d time.Duration) {
	n.eachPeerProxy(func(p *proxy.Proxy) func() { p.Delay(d); return func() {} })
}

func (n *Node) eachPeerProxy(f func(*proxy.Proxy) func()) (undo func()) {
	n.Proxy() // where there is none for clients, there are none for peers
	var undos []func()
	for _, l := range n.cluster.links {
		if l.from == n || l.to == n {
			undos = append(undos, f(l.quorum), f(l.election))
		}
	}
	return func() {
		for _, u := range undos {
			u()
		}
	}
}

// Wait returns when the server's process has ended, with an error that says how, or
// when ctx has.
func (n *Node) Wait(ctx context.Context) error {
	p := n.running()
	select {
	case <-p.Done():
		return fmt.Errorf("server %d at %s has ended: %v", n.id, n.Addr(), p.State())
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *Node) running() *javaproc.Process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc
}

// launch starts the process if it does not run.
func (n *Node) launch() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc.Alive() {
		return nil
	}
	n.logged = 0
	if info, err := os.Stat(n.logPath()); err == nil {
		n.logged = info.Size()
	}
	p, err := javaproc.Start(n.command(), n.logPath())
	if err != nil {
		return err
	}
	n.proc = p
	return nil
}

// wait returns when the server serves. Another process that has taken its address may
// accept connections and answer nothing, so that is checked after every try.
func (n *Node) wait(ctx context.Context) error {
	p := n.running()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for patience := pollTimeout; ; patience *= 2 {
		try, cancel := context.WithTimeout(ctx, patience)
		_, err := n.queryState(try)
		if try.Err() == nil {
			patience = pollTimeout / 2 // it does answer, or nobody listens
		}
		cancel()
		if err == nil {
			return nil
		}
		if err := n.addressTaken(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-p.Done():
			if err := n.addressTaken(); err != nil {
				return err
			}
			return fmt.Errorf("zktest: server %d ended:\n%s", n.id, tail(n.Log(), 20))
		case <-ctx.Done():
			return fmt.Errorf("zktest: server %d does not serve: %w:\n%s", n.id, ctx.Err(), tail(n.Log(), 20))
		}
	}
}

// addressTaken returns an error if the server has found one of its fixed addresses
// taken, by a process that has been faster since the address was seen to be free. It
// ends the server then: ZooKeeper may go on without that address.
func (n *Node) addressTaken() error {
	if n.proxy != nil {
		return nil
	}
	n.mu.Lock()
	skip := n.logged
	n.mu.Unlock()
	log := n.Log()
	if !strings.Contains(log[min(skip, int64(len(log))):], "java.net.BindException") {
		return nil
	}
	n.Kill()
	addrs := []string{n.client, n.quorum, n.election}
	if n.cluster.size == 1 {
		addrs = addrs[:1]
	}
	for _, addr := range addrs {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return cannotListen(n.id, addr, err)
		}
		ln.Close()
	}
	return fmt.Errorf("zktest: server %d could not listen on one of %s: address was in use for a moment", n.id, strings.Join(addrs, ", "))
}
