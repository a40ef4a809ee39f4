package main

import (
	"context"
	"errors"
	"net"
	"sync"
)

// cable is the network of one actor. Cut, it breaks its connections and refuses
// new ones; the servers keep the session until it expires.
type cable struct {
	mu    sync.Mutex
	torn  bool
	conns map[net.Conn]bool
}

func newCable() *cable { return &cable{conns: make(map[net.Conn]bool)} }

var errCut = errors.New("the cable is cut")

func (c *cable) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.torn {
		conn.Close()
		return nil, errCut
	}
	c.conns[conn] = true
	return conn, nil
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.torn = true
	for conn := range c.conns {
		conn.Close()
	}
	clear(c.conns)
}

func (c *cable) isCut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.torn
}

func (c *cable) reconnect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.torn = false
}
