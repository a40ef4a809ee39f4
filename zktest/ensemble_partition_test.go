//go:build ensemble

package zktest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// These tests measure which requests a server still answers when it is cut off from its
// peers, and when the other servers expire its sessions. The deadline of package session
// relies on the results. Each kind of probe has a separate session, since an unanswered
// request blocks later ones.

const (
	probeTimeout  = 4 * time.Second
	probeInterval = 20 * time.Millisecond
)

// A probe is a session that repeats one request, and has an ephemeral node that shows
// whether the session is alive.
type probe struct {
	name   string
	op     wire.Op
	xid    int32 // of every request; 0 to count
	body   wire.Record
	client *rawClient
	gone   time.Duration // when, after the cut, the node was deleted

	mu       sync.Mutex
	cut      time.Time
	answers  int
	asked    time.Time // when the last answered request was sent
	answered time.Time // when its reply came
}

func newProbes() []*probe {
	check := &wire.MultiRequest{Ops: []wire.MultiOp{{Op: wire.OpCheck, Body: &wire.PathVersion{Path: "/", Version: -1}}}}
	return []*probe{
		{name: "ping", op: wire.OpPing, xid: wire.XidPing, body: &wire.Empty{}},
		{name: "sync", op: wire.OpSync, body: &wire.Path{Path: "/"}},
		{name: "multi", op: wire.OpMulti, body: check},
	}
}

// run sends requests until ctx is done, without waiting for replies. Replies come in
// order.
func (p *probe) run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	sent := make(chan time.Time, 1<<16)
	all.Go(func() { p.listen(sent) })
	defer p.client.closeConn()
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for xid := int32(1000); ; xid++ {
		id := xid
		if p.xid != 0 {
			id = p.xid
		}
		sent <- time.Now()
		if err := p.client.send(id, p.op, p.body); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *probe) listen(sent <-chan time.Time) {
	for {
		if _, _, err := p.client.receive(); err != nil {
			return
		}
		p.mu.Lock()
		p.asked, p.answered = <-sent, time.Now()
		p.answers++
		p.mu.Unlock()
	}
}

func (p *probe) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answers
}

func (p *probe) begin(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = at
}

// last returns when, after the cut, the last answered request was sent and answered.
func (p *probe) last() (asked, answered time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked.Sub(p.cut), p.answered.Sub(p.cut)
}

// vanish polls a server until path is deleted, and returns when that was.
func vanish(t *testing.T, ctx context.Context, addr, path string) time.Time {
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	var c *rawClient
	for ctx.Err() == nil {
		if c == nil {
			if c, _ = try(t, addr); c != nil { // the server has no leader for a while
				c.conn.SetDeadline(time.Now().Add(sessionTimeout))
			}
		} else if _, err := c.call(wire.OpExists, &wire.PathWatch{Path: path}, &wire.Stat{}); err != nil {
			c.closeConn()
			if hasCode(err, wire.CodeNoNode) {
				break
			}
			c = nil
		}
		<-tick.C
	}
	return time.Now()
}

func TestCutOffServerAnswers(t *testing.T) {
	tests := []struct {
		name    string
		leader  bool
		isolate func(*Node) (heal func())
		answers []string // probes that are answered after the cut
		silence []string // probes that are not
	}{
		{"follower in a black hole", false, (*Node).CutPeers, []string{"ping"}, []string{"sync", "multi"}},
		{"leader in a black hole", true, (*Node).CutPeers, []string{"ping", "sync"}, []string{"multi"}},
		// It takes up to a tick until the server notices.
		{"leader rejected", true, (*Node).RejectPeers, nil, []string{"multi"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := Ensemble(t, 3, WithTick(time.Second), WithSyncLimit(8), WithInitLimit(10))
			leader, followers := roles(t, c)
			cut, other := followers[0], followers[1]
			if test.leader {
				cut, other = leader, cut
			}
			probes := observe(t, cut, other, func() { test.isolate(cut) })
			for _, p := range probes {
				asked, _ := p.last()
				if slices.Contains(test.silence, p.name) && asked > 0 {
					t.Errorf("%s was answered %v after the cut", p.name, asked)
				}
				if slices.Contains(test.answers, p.name) && asked < 0 {
					t.Errorf("%s was not answered after the cut", p.name)
				}
			}
		})
	}
}

// observe sends requests to cut, isolates it, and continues until it has stopped serving
// and every probe's session has expired on other.
func observe(t *testing.T, cut, other *Node, isolate func()) []*probe {
	t.Helper()
	ctx := within(t, testTimeout)
	probing, stop := context.WithCancel(ctx)
	defer stop()
	var running, watching sync.WaitGroup
	defer running.Wait()
	defer stop()
	probes := newProbes()
	for _, p := range probes {
		var err error
		if p.client, err = dialRaw(ctx, cut.Addr(), probeTimeout); err != nil {
			t.Fatal(err)
		}
		create(t, p.client, "/"+p.name, "", wire.FlagEphemeral)
		running.Go(func() { p.run(probing) })
	}
	for _, p := range probes {
		eventually(t, p.name+" is answered", func() bool { return p.count() > 10 })
	}
	isolate()
	begin := time.Now()
	for _, p := range probes {
		p.begin(begin)
		watching.Go(func() { p.gone = vanish(t, ctx, other.Addr(), "/"+p.name).Sub(begin) })
	}
	eventually(t, "the server stops serving", func() bool { return !cut.serves(ctx) })
	served := time.Since(begin)
	watching.Wait()
	if ctx.Err() != nil {
		t.Fatal("the nodes still exist")
	}
	for _, p := range probes {
		asked, answered := p.last()
		t.Logf("%-5s last asked %8v, answered %8v; server served until %v, node gone at %v", p.name,
			asked.Round(time.Millisecond), answered.Round(time.Millisecond),
			served.Round(time.Millisecond), p.gone.Round(time.Millisecond))
	}
	return probes
}
