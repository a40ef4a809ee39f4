//go:build ensemble

package lock_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file cut servers off from each other, so each starts its own
// servers. docs/guarantees.md has the results of ten cuts each.
var cuts = flag.Int("cuts", 1, "how often to cut, in each of the tests that do")

// slowToNotice returns an ensemble whose servers need longer to notice the loss of
// their peers than a session lives. Clients that rely on pings are misled by such
// servers.
func slowToNotice(t *testing.T) *zktest.Cluster {
	return zktest.Ensemble(t, 3, zktest.WithTick(time.Second), zktest.WithSyncLimit(8), zktest.WithInitLimit(10))
}

const shortTimeout = 4 * time.Second

// patience limits the time that real servers may take for anything.
const patience = 3 * time.Minute

func connectTo(t *testing.T, servers string) *session.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := session.Connect(ctx, servers, session.WithTimeout(shortTimeout))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A server that is cut off from its peers still answers pings, and if it was the
// leader, also sync. The lease of a holder that is connected to it ends before the
// next contender owns.
func TestServerCutOff(t *testing.T) {
	for _, c := range []struct {
		name   string
		leader bool
		cut    func(*zktest.Node) func()
		stop   time.Duration
	}{
		{"follower, links silent", false, (*zktest.Node).CutPeers, 0},
		{"follower, links silent, with a stop time", false, (*zktest.Node).CutPeers, longStop},
		{"leader, links silent", true, (*zktest.Node).CutPeers, 0},
		{"leader, links refused", true, (*zktest.Node).RejectPeers, 0},
		{"leader, links refused, with a stop time", true, (*zktest.Node).RejectPeers, longStop},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := slowToNotice(t)
			for i := range *cuts {
				victim := choose(t, cluster, c.leader)
				told, owned, early := cutServer(t, cluster, victim, c.cut, c.stop)
				t.Logf("cut %d: the holder was told %.2f s after the cut, the next owned after %.2f s: %.2f s between",
					i+1, told.Seconds(), owned.Seconds(), (owned - told).Seconds())
				if owned <= told || early {
					t.Error("two owners")
				}
			}
		})
	}
}

// beforeDeadline reports whether the next contender owned before the deadline of a
// lost lease. With a stop time the deadline is later than the loss.
func beforeDeadline(lost *lock.Lease, next time.Time) bool {
	deadline, _ := lost.Deadline()
	return next.Before(deadline)
}

// longStop is a stop time close to the longest with shortTimeout.
const longStop = 1300 * time.Millisecond

// choose waits until one server leads and the others follow. It returns the leader, or
// a follower.
func choose(t *testing.T, c *zktest.Cluster, leader bool) *zktest.Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	l, followers, err := c.Roles(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if leader {
		return l
	}
	return followers[0]
}

// ending sends the time at which ownership ends, if it has not ended.
func ending(l *lock.Lease) <-chan time.Time {
	at := make(chan time.Time, 1)
	context.AfterFunc(l.Context(), func() { at <- time.Now() })
	return at
}

func cutServer(t *testing.T, c *zktest.Cluster, victim *zktest.Node, cut func(*zktest.Node) func(), stop time.Duration) (told, owned time.Duration, early bool) {
	others := ""
	for _, n := range c.Servers() {
		if n != victim {
			others += "," + n.Addr()
		}
	}
	a, b := connectTo(t, victim.Addr()), connectTo(t, others[1:])
	var closing sync.WaitGroup
	defer closing.Wait()
	for _, s := range []*session.Session{a, b} {
		defer closing.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			s.Close(ctx)
		})
	}
	held := mustLock(t, lock.New(a, path, lock.WithStopTime(stop)))
	next := make(chan time.Time)
	go func() {
		l := mustLock(t, lock.New(b, path))
		next <- time.Now()
		if err := l.Unlock(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	testkit.AwaitChildren(t, b, path, 2)
	end := ending(held)
	<-time.After(2*shortTimeout + rand.N(shortTimeout)) // any moment between two proofs
	if err := held.Err(); err != nil {
		t.Logf("lost before the cut: %v", err)
	}
	heal := cut(victim)
	defer heal()
	start := time.Now()
	told = (<-end).Sub(start)
	if !errors.Is(held.Err(), lock.ErrLost) {
		t.Errorf("the lease ended with %v", held.Err())
	}
	owner := <-next
	return told, owner.Sub(start), beforeDeadline(held, owner)
}

// If a client's connection is cut, its lease ends before the next contender owns.
func TestClientCutOff(t *testing.T) {
	cluster := zktest.Ensemble(t, 3)
	for _, stop := range []time.Duration{0, longStop} {
		t.Run(fmt.Sprintf("stop time %v", stop), func(t *testing.T) { cutClients(t, cluster, stop) })
	}
}

func cutClients(t *testing.T, cluster *zktest.Cluster, stop time.Duration) {
	for i := range *cuts {
		proxy, err := zktest.NewProxy(cluster.Server(i % 3).Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer proxy.Close()
		a, b := connectTo(t, proxy.Addr()), connectTo(t, cluster.Connect())
		held := mustLock(t, lock.New(a, path, lock.WithStopTime(stop)))
		next := make(chan time.Time)
		go func() {
			l := mustLock(t, lock.New(b, path))
			next <- time.Now()
			l.Unlock(context.Background())
		}()
		testkit.AwaitChildren(t, b, path, 2)
		end := ending(held)
		<-time.After(2*shortTimeout + rand.N(shortTimeout))
		if err := held.Err(); err != nil {
			t.Logf("lost before the cut: %v", err)
		}
		heal := proxy.Cut()
		start := time.Now()
		told := (<-end).Sub(start)
		owner := <-next
		owned := owner.Sub(start)
		t.Logf("cut %d: told after %.2f s, the next owned after %.2f s: %.2f s between", i+1, told.Seconds(), owned.Seconds(), (owned - told).Seconds())
		if owned <= told || beforeDeadline(held, owner) {
			t.Error("two owners")
		}
		heal()
		for _, s := range []*session.Session{a, b} {
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}

// A lock is held while the server that its session uses dies, and while the leader
// dies.
func TestServersDie(t *testing.T) {
	cluster := zktest.Ensemble(t, 3, zktest.WithTimeouts(0, patience))
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	s, err := session.Connect(ctx, cluster.Connect(), session.WithTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	held := mustLock(t, lock.New(s, path))
	for range 2 {
		for _, n := range cluster.Servers() {
			if n.Addr() != s.Status().Server {
				continue
			}
			changed := s.Changed()
			n.Kill()
			<-changed
			if err := s.Ready(ctx); err != nil {
				t.Fatal(err)
			}
			if err := n.Start(ctx); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if err := held.Verify(ctx); err != nil {
		t.Fatal(err)
	}
	mustUnlock(t, held)
}
