package conn

import (
	"context"
	"sync"
)

// Connector makes the Conns of a session, one for each ZooKeeper session. It holds what
// they have in common.
type Connector struct {
	cfg          Config
	capabilities capabilities
	goroutines   sync.WaitGroup
	ctx          context.Context // canceled by Hurry
	cancel       context.CancelFunc
}

// NewConnector returns a Connector. It starts nothing.
func NewConnector(cfg Config) *Connector {
	cr := &Connector{cfg: cfg}
	cr.ctx, cr.cancel = context.WithCancel(context.Background())
	return cr
}

// Go runs f in a goroutine that Wait waits for.
func (cr *Connector) Go(f func()) { cr.goroutines.Go(f) }

// Wait blocks until all goroutines of Go and of the Conns have returned.
func (cr *Connector) Wait() { cr.goroutines.Wait() }

// Hurry makes Conns that are being closed wait no longer for servers.
func (cr *Connector) Hurry() { cr.cancel() }
