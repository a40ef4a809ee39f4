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

// The state of a server is queried repeatedly, each time on a new connection: a server that
// accepts a connection at a bad moment never answers on it. Each attempt has twice the
// time of the last one, because a server on a busy machine may only be slow.
const (
	pollInterval = 25 * time.Millisecond
	pollTimeout  = 500 * time.Millisecond // of the first attempt
)

// A Node is one server of a Cluster.
type Node struct {
	cluster  *Cluster
	id       int
	dir      string
	client   string // the addresses on which the server itself listens
	quorum   string
	election string
	proxy    *Proxy // for its clients; nil if the ports are fixed

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

// ID returns the server's id in the ensemble, from 1.
func (n *Node) ID() int { return n.id }

// Addr returns the host:port for clients.
func (n *Node) Addr() string {
	if n.proxy == nil {
		return n.client
	}
	return n.proxy.Addr()
}

// Proxy returns the proxy for the server's clients. With WithPorts there are no proxies:
// Proxy and all methods that need one panic.
func (n *Node) Proxy() *Proxy {
	if n.proxy == nil {
		panic("zktest: there are no proxies with WithPorts")
	}
	return n.proxy
}

// Log returns what the server has logged.
func (n *Node) Log() string { return readFile(n.logPath()) }

func (n *Node) logPath() string { return filepath.Join(n.dir, "zookeeper.log") }

// Mode returns the mode that the server reports: leader, follower or standalone. It
// returns an error if the server does not serve. If the server does not answer, Mode
// retries until ctx is done. It does not use the proxy, so cuts have no effect on it.
func (n *Node) Mode(ctx context.Context) (string, error) {
	s, err := n.state(ctx)
	return s.mode, err
}

type nodeState struct {
	mode string
	zxid int64
}

// state queries the server until it answers, its connection is refused, or ctx is done.
func (n *Node) state(ctx context.Context) (nodeState, error) {
	for timeout := pollTimeout; ; timeout *= 2 {
		try, cancel := context.WithTimeout(ctx, timeout)
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

// Word sends a four-letter word to the server, without the proxy, and returns the answer.
func (n *Node) Word(ctx context.Context, word string) (string, error) {
	return sendWord(ctx, n.client, word)
}

// Start starts the server unless it runs, and waits until it serves, for which a majority
// of the servers must run.
func (n *Node) Start(ctx context.Context) error {
	if err := n.launch(); err != nil {
		return err
	}
	return n.wait(ctx)
}

// Restart stops the server and starts it again.
func (n *Node) Restart(ctx context.Context) error {
	n.Stop()
	return n.Start(ctx)
}

// Stop stops the server and waits until its process has ended.
func (n *Node) Stop() { n.running().Stop() }

// Kill kills the server, as a power failure does, and waits until its process has ended.
// The server cannot close its sessions and connections in order.
func (n *Node) Kill() { n.running().Kill() }

// Pause suspends the server's process until Resume. Its connections stay open. It returns
// [errors.ErrUnsupported] on systems that are not Unix.
func (n *Node) Pause() error { return n.running().Pause() }

// Resume continues a paused server.
func (n *Node) Resume() error { return n.running().Resume() }

// CutClients makes the network between the server and its clients drop everything; see
// [Proxy.Cut].
func (n *Node) CutClients() (heal func()) { return n.Proxy().Cut() }

// RejectClients resets the connections of the server's clients, also new ones; see
// [Proxy.Reject].
func (n *Node) RejectClients() (heal func()) { return n.Proxy().Reject() }

// CutPeers makes the network between the server and the other servers drop everything; see
// [Proxy.Cut].
func (n *Node) CutPeers() (heal func()) { return n.eachPeerProxy((*proxy.Proxy).Cut) }

// RejectPeers resets the connections between the server and the other servers, also new
// ones; see [Proxy.Reject].
func (n *Node) RejectPeers() (heal func()) { return n.eachPeerProxy((*proxy.Proxy).Reject) }

// DelayPeers delays every byte between the server and the other servers by d; see
// [Proxy.Delay].
func (n *Node) DelayPeers(d time.Duration) {
	n.eachPeerProxy(func(p *proxy.Proxy) func() { p.Delay(d); return func() {} })
}

func (n *Node) eachPeerProxy(f func(*proxy.Proxy) func()) (undo func()) {
	n.Proxy() // panics if there are no proxies
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

// Wait waits until the server's process has ended, and returns an error that says how. If
// ctx is done first, it returns ctx.Err().
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

// launch starts the process unless it runs.
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

// wait waits until the server serves. Another process that has taken its address may accept
// connections and never answer, so the log is checked after every attempt.
func (n *Node) wait(ctx context.Context) error {
	p := n.running()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for timeout := pollTimeout; ; timeout *= 2 {
		try, cancel := context.WithTimeout(ctx, timeout)
		_, err := n.queryState(try)
		if try.Err() == nil {
			timeout = pollTimeout / 2 // the server answers or does not listen yet
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

// addressTaken returns an error if another process has taken one of the server's fixed
// addresses since it was checked. It kills the server in that case, because ZooKeeper may
// run without the address.
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
