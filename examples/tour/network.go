package main

import (
	"context"
	"errors"
	"net"
	"sync"
)

// network is the network of one actor. While it is cut there is no connection; the
// servers keep the session until it expires.
type network struct {
	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

func newNetwork() *network { return &network{conns: make(map[net.Conn]bool)} }

var errCut = errors.New("the network is cut")

func (n *network) dial(ctx context.Context, protocol, addr string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, protocol, addr)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		conn.Close()
		return nil, errCut
	}
	n.conns[conn] = true
	return conn, nil
}

func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = true
	for conn := range n.conns {
		conn.Close()
	}
	clear(n.conns)
}

func (n *network) isCut() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.down
}

func (n *network) reconnect() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = false
}
