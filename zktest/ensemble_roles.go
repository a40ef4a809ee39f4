package zktest

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// leaderTimeout is how long Leader waits for servers that do not answer.
const leaderTimeout = 3 * time.Second

// Leader returns the server that leads, or nil if none does. A single server leads. If two
// servers report that they lead, because one that is cut off has not noticed it yet, it is the one
// that was elected last. A server that does not answer within three seconds, for example
// because it is paused, is ignored.
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

// Roles waits until one server leads and all others follow, or until ctx is done. It
// returns the leader, and the followers in the order of their ids.
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
			return nil, nil, fmt.Errorf("zktest: waiting for a leader and its followers: %w", ctx.Err())
		}
	}
}

// states queries all servers at once. The state of a server that does not serve is zero.
func (c *Cluster) states(ctx context.Context) []nodeState {
	states := make([]nodeState, len(c.nodes))
	var all sync.WaitGroup
	for i, n := range c.nodes {
		all.Go(func() { states[i], _ = n.state(ctx) })
	}
	all.Wait()
	return states
}
