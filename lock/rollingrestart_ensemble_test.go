//go:build ensemble

package lock_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

var rolls = flag.Int("rolls", 1, "how often TestRollingRestart restarts all servers, in each order")

// rollTimeouts are the session timeouts that TestRollingRestart compares, the longest last.
var rollTimeouts = []time.Duration{4 * time.Second, 6 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second}

// locksPerTimeout is the number of locks that are held with each timeout, each in a
// separate session.
const locksPerTimeout = 3

// Three servers are restarted one after the other, each when the one before serves again.
// All clients continue, and no lease with a timeout of 30 s is lost. The log has the number
// of leases that lasted with each timeout, and the longest time without a reply. The
// results of several restarts are in docs/operations.md.
func TestRollingRestart(t *testing.T) {
	for _, order := range []struct {
		name        string
		leaderFirst bool
	}{{"leader last", false}, {"leader first", true}} {
		t.Run(order.name, func(t *testing.T) {
			// These are the settings of ZooKeeper's sample configuration. It grants timeouts
			// from 4 s to 40 s.
			cluster := zktest.Ensemble(t, 3, zktest.WithTick(2*time.Second), zktest.WithInitLimit(10), zktest.WithSyncLimit(5))
			costs := make(map[time.Duration]*rollCost)
			for _, timeout := range rollTimeouts {
				costs[timeout] = new(rollCost)
			}
			for i := range *rolls {
				roll(t, cluster, order.leaderFirst, costs)
				for _, timeout := range rollTimeouts {
					t.Logf("after %d restarts, timeout %2.0f s: %v", i+1, timeout.Seconds(), costs[timeout])
				}
			}
			if longest := costs[rollTimeouts[len(rollTimeouts)-1]]; longest.lasted < len(longest.stalls) {
				t.Errorf("%d of %d leases with the longest timeout lasted", longest.lasted, len(longest.stalls))
			}
		})
	}
}

// rollCost is what the clients with one session timeout noticed of rolling restarts.
type rollCost struct {
	lasted int             // the leases that were held in the end
	stalls []time.Duration // of each client, the longest time between two replies
}

func (c *rollCost) String() string {
	slices.Sort(c.stalls)
	n := len(c.stalls)
	return fmt.Sprintf("%d of %d leases lasted; the longest time between two replies was %.1f s in the median, %.1f s at most",
		c.lasted, n, c.stalls[n/2].Seconds(), c.stalls[n-1].Seconds())
}

// roll restarts every server once and adds what the clients noticed to costs.
func roll(t *testing.T, cluster *zktest.Cluster, leaderFirst bool, costs map[time.Duration]*rollCost) {
	t.Helper()
	clients := make(map[time.Duration][]*rollClient)
	var closing sync.WaitGroup
	defer closing.Wait()
	for _, timeout := range rollTimeouts {
		for i := range locksPerTimeout {
			c := newRollClient(t, cluster, timeout, fmt.Sprintf("%s-%v-%d-%s", path, timeout, i, session.GUID()))
			defer closing.Go(c.close)
			clients[timeout] = append(clients[timeout], c)
		}
	}
	restartAll(t, cluster, leaderFirst)
	for timeout, cs := range clients {
		for _, c := range cs {
			stall, err := c.end()
			if !errors.Is(err, lock.ErrLost) && err != nil {
				t.Error(err)
			}
			if err == nil {
				costs[timeout].lasted++
			}
			costs[timeout].stalls = append(costs[timeout].stalls, stall)
		}
	}
}

// restartAll restarts each server once. The leader at the beginning is the first or the
// last of them.
func restartAll(t *testing.T, cluster *zktest.Cluster, leaderFirst bool) {
	t.Helper()
	ctx := testkit.Soon(t)
	leader, servers, err := cluster.Roles(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if leaderFirst {
		servers = append([]*zktest.Node{leader}, servers...)
	} else {
		servers = append(servers, leader)
	}
	for _, server := range servers {
		if err := server.Restart(ctx); err != nil {
			t.Fatal(err)
		}
		if _, _, err := cluster.Roles(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// rollClient holds a lock in one session, which does nothing else, and writes in another
// session with the same timeout all the time.
type rollClient struct {
	holder, writer *session.Session
	lease          *lock.Lease
	stop           context.CancelFunc
	stall          chan time.Duration
}

func newRollClient(t *testing.T, cluster *zktest.Cluster, timeout time.Duration, path string) *rollClient {
	t.Helper()
	c := &rollClient{stall: make(chan time.Duration, 1)}
	for _, s := range []**session.Session{&c.holder, &c.writer} {
		var err error
		if *s, err = session.Connect(testkit.Soon(t), cluster.Connect(), session.WithTimeout(timeout)); err != nil {
			t.Fatal(err)
		}
	}
	c.lease = mustLock(t, lock.New(c.holder, path))
	ctx, stop := context.WithCancel(t.Context())
	c.stop = stop
	node := path + "-written"
	testkit.Create(t, c.writer, node, "")
	go func() { c.stall <- longestStall(ctx, c.writer, node) }()
	return c
}

// longestStall writes to a node twenty times a second. After ctx is done and one more write
// has succeeded, it returns the longest time between two replies.
func longestStall(ctx context.Context, s *session.Session, path string) (longest time.Duration) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), testkit.Limit)
	defer cancel()
	for last := time.Now(); bounded.Err() == nil; <-tick.C {
		ended := ctx.Err() != nil
		if _, err := s.Set(bounded, path, nil, session.AnyVersion); err != nil {
			continue
		}
		longest = max(longest, time.Since(last))
		last = time.Now()
		if ended {
			return longest
		}
	}
	return testkit.Limit
}

// end returns the client's longest time between two replies, and what ended its lease.
func (c *rollClient) end() (stall time.Duration, err error) {
	c.stop()
	return <-c.stall, c.lease.Err()
}

func (c *rollClient) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c.holder.Close(ctx)
	c.writer.Close(ctx)
}
