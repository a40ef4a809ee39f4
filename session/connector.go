package session

import (
	"context"
	"sync"
)

// connector makes the links of a session, one for each ZooKeeper session. It holds what
// they have in common.
type connector struct {
	cfg          config
	capabilities capabilities
	goroutines   sync.WaitGroup
	ctx          context.Context // canceled by Hurry
	cancel       context.CancelFunc
}

func newConnector(cfg config) *connector {
	cr := &connector{cfg: cfg}
	cr.ctx, cr.cancel = context.WithCancel(context.Background())
	return cr
}

// Go runs f in a goroutine that Wait waits for.
func (cr *connector) Go(f func()) { cr.goroutines.Go(f) }

// Wait blocks until all goroutines of Go and of the links have returned.
func (cr *connector) Wait() { cr.goroutines.Wait() }

// Hurry makes links that are being closed wait no longer for servers.
func (cr *connector) Hurry() { cr.cancel() }
