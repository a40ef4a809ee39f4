package membership_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// crowd are processes that each have a session, are a member, and watch. All of
// them, and the server, share this machine.
type crowd struct {
	testing.TB
	members []*membership.Membership
	reads   atomic.Int64 // of the watchers
	views   atomic.Int64
	seen    []atomic.Int64           // how many members each watcher sees
	data    []atomic.Pointer[string] // and of the first its data
}

// gather starts n of them at once, and returns when each has seen all.
func gather(b *testing.B, n int) *crowd {
	c := &crowd{TB: b, members: make([]*membership.Membership, n), seen: make([]atomic.Int64, n), data: make([]atomic.Pointer[string], n)}
	srv := zktest.New(b, zktest.WithTick(time.Second))
	hooks := session.Hooks{Request: func(r session.RequestInfo) {
		if strings.HasPrefix(r.Op, "get") {
			c.reads.Add(1)
		}
	}}
	sessions := make([]*session.Session, n)
	var connecting sync.WaitGroup
	for i := range n {
		connecting.Go(func() { sessions[i] = srv.Session(b, session.WithTimeout(time.Minute), session.WithHooks(hooks)) })
	}
	connecting.Wait()
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	b.Cleanup(func() { // before the sessions are closed, one by one, for all others to see
		stop()
		all.Wait()
	})
	began := time.Now()
	for i, s := range sessions {
		all.Go(func() {
			c.members[i] = join(b, group(s), fmt.Sprintf("m%04d", i), "")
			for v, err := range group(s).Watch(ctx) {
				if err == nil {
					c.views.Add(1)
					c.note(i, v)
				}
			}
		})
	}
	c.await(func(i int) bool { return c.seen[i].Load() == int64(n) })
	b.Logf("%d processes: all had seen all after %v, with %d reads each", n, time.Since(began).Round(time.Millisecond), c.reads.Load()/int64(n))
	return c
}

// note records how many members watcher i sees, and the data of the first.
func (c *crowd) note(i int, v membership.Snapshot) {
	c.seen[i].Store(int64(len(v.Members)))
	if m, ok := v.Find("m0000"); ok {
		data := string(m.Data)
		c.data[i].Store(&data)
	}
}

// await waits until something holds of every watcher.
func (c *crowd) await(ok func(int) bool) {
	for i := range c.seen {
		for !ok(i) {
			time.Sleep(time.Millisecond)
		}
	}
}

func (c *crowd) sees(data string) func(int) bool {
	return func(i int) bool { d := c.data[i].Load(); return d != nil && *d == data }
}

// BenchmarkGroup has as many processes as its name says, all of them members and
// watchers of one group. An operation of "change" is one change, until all have
// seen it; one of "churn" is a second in which every member changes once, and the
// time until all have seen the last of them.
func BenchmarkGroup(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprintf("%d/change", n), func(b *testing.B) {
			c := gather(b, n)
			c.reads.Store(0)
			ops := 0
			for b.Loop() {
				ops++
				data := fmt.Sprint(ops)
				update(b, c.members[0], data)
				c.await(c.sees(data))
			}
			b.ReportMetric(float64(c.reads.Load())/float64(n)/float64(ops), "reads/op/watcher")
		})
		b.Run(fmt.Sprintf("%d/churn", n), func(b *testing.B) {
			c := gather(b, n)
			c.reads.Store(0)
			c.views.Store(0)
			began, ops := time.Now(), 0
			for b.Loop() {
				ops++
				c.churn(fmt.Sprint(ops))
			}
			seconds := time.Since(began).Seconds()
			b.ReportMetric(float64(c.reads.Load())/float64(n)/seconds, "reads/s/watcher")
			b.ReportMetric(float64(c.views.Load())/float64(n)/seconds, "views/s/watcher")
		})
	}
}

// churn has every member change once, the first as the last, all within a second.
func (c *crowd) churn(data string) {
	pause := time.NewTicker(time.Second / time.Duration(len(c.members)))
	defer pause.Stop()
	var all sync.WaitGroup
	for i := range c.members {
		m := c.members[len(c.members)-1-i]
		all.Go(func() {
			if err := m.Update(context.Background(), []byte(data)); err != nil {
				c.Error(err)
			}
		})
		<-pause.C
	}
	all.Wait()
	c.await(c.sees(data))
}
