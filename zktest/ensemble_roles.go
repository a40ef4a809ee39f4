package zktest

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// leaderTimeout is how long Leader waits for servers that do not answer.
const leaderTimeout = 3 * time.Second

// Leader returns the server that leads, which a single server does, or nil if
// none does. When two claim to, one of them cut off without having noticed, it
// is the one elected last. A server that does not answer, such as a paused one,
// is left out after three seconds.
func (c *Cluster) Leader() *Node {
	ctx, cancel := context.WithTimeout(context.Background(), leaderTimeout)
	defer cancel()
	states := c.states(ctx)
	var leader *Node
	var epoch int64
	for i, s := range states {
		if (s.mode == "leader" || s.mode == "standalone") && (leader == nil || s.zxid>>32 > epoch) {
			leader, epoch = c.nodes[i], s.zxid>>32
		}
	}
	return leader
}

// Roles returns the server that leads and the others, in the order of their
// ids, once all of these follow. ctx bounds the wait for that.
func (c *Cluster) Roles(ctx context.Context) (leader *Node, followers []*Node, err error) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		leader, followers = nil, nil
		for i, s := range c.states(ctx) {
			switch s.mode {
			case "leader", "standalone":
				leader = c.nodes[i]
			case "follower":
				followers = append(followers, c.nodes[i])
			}
		}
		if leader != nil && len(followers) == len(c.nodes)-1 {
			return leader, followers, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("zktest: not all servers lead or follow: %w", ctx.Err())
		}
	}
}

// states asks all servers at once. The state of one that does not serve is zero.
func (c *Cluster) states(ctx context.Context) []nodeState {
	states := make([]nodeState, len(c.nodes))
	var all sync.WaitGroup
	for i, n := range c.nodes {
		all.Go(func() { states[i], _ = n.state(ctx) })
	}
	all.Wait()
	return states
}
