package tasks_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
)

// crew is a pool in a scene, with what it has done.
type crew struct {
	*faulttable.Scene
	mu   sync.Mutex
	done map[string]int // tasks whose handler has succeeded
}

// pool is a pool whose tasks never run out of attempts.
func (c *crew) pool(s *session.Session) *pool {
	return texts(s, tasks.WithMaxAttempts(100), tasks.WithRetryAfter(func(int) time.Duration { return 100 * time.Millisecond }))
}

// work takes its time, and notes that it is at it: no two may be at one time.
func (c *crew) work(who string) handler {
	return func(ctx context.Context, k task) (string, error) {
		running, end := context.WithCancel(context.Background())
		defer end()
		c.Owners.Begin(who, k.Token, running)
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
		c.mu.Lock()
		c.done[k.ID]++
		c.mu.Unlock()
		return k.Input + "!", nil
	}
}

// submits submits a task; whoever does not learn whether he has may do it again.
func (c *crew) submits(p *pool, in string) *ticket {
	for {
		k, err := p.Submit(c.Context(), in)
		if err == nil {
			return k
		}
		if !errors.Is(err, session.ErrUnknown) {
			c.Fatal(err)
		}
	}
}

// finished checks what is left of tasks that were waited for.
func (c *crew) finished(ks ...*ticket) {
	synctest.Wait()
	tree := c.Server.Tree()
	for _, k := range ks {
		if n := strings.Count(tree, k.ID()+`/status `); n != 1 {
			c.Errorf("%d statuses of %s", n, k.ID())
		}
		if c.done[k.ID()] == 0 {
			c.Errorf("%s is done, and nobody has done it", k.ID())
		}
	}
	for line := range strings.Lines(tree) {
		if strings.HasPrefix(line, path+"/assign/") {
			c.Errorf("left: %s", line)
		}
	}
}

func play(t *testing.T, oneIn int, scenario func(*crew)) {
	faulttable.Sample(t, oneIn, func(s *faulttable.Scene) {
		scenario(&crew{Scene: s, done: make(map[string]int)})
	})
}

// Whatever happens to a client, its task is there once, or it is told that it may
// not be; and it learns the outcome.
func TestClientFaults(t *testing.T) {
	play(t, 5, func(c *crew) {
		rival := c.pool(c.Rival)
		lead := leading(c, rival)
		work := working(c, rival, "w1", c.work("w1"))
		k := c.submits(c.pool(c.Subject), "x")
		if got, err := k.Wait(c.Context()); got != "x!" || err != nil {
			c.Errorf("%q, %v", got, err)
		}
		work()
		time.Sleep(time.Second)
		lead()
		c.finished(k)
		if n := strings.Count(c.Server.Tree(), "/status "); n != len(c.done) {
			c.Errorf("%d statuses, and %d tasks were done", n, len(c.done))
		}
	})
}

// Whatever happens to a worker, its task is done, there or by another, and never at
// the same time.
func TestWorkerFaults(t *testing.T) {
	play(t, 17, func(c *crew) {
		rival := c.pool(c.Rival)
		k := c.submits(rival, "x")
		lead := leading(c, rival)
		work := working(c, c.pool(c.Subject), "w1", c.work("w1"))
		synctest.Wait()
		other := working(c, rival, "w2", c.work("w2"))
		wants(c, k, "x!")
		work()
		other()
		time.Sleep(time.Second)
		lead()
		c.finished(k)
	})
}

// Whatever happens to a master, all tasks are done, also when another leads.
func TestMasterFaults(t *testing.T) {
	play(t, 17, func(c *crew) {
		rival := c.pool(c.Rival)
		lead := leading(c, c.pool(c.Subject))
		work := working(c, rival, "w1", c.work("w1"))
		k := c.submits(rival, "x")
		synctest.Wait()
		other := leading(c, rival)
		wants(c, k, "x!")
		work()
		time.Sleep(time.Second)
		lead()
		other()
		c.finished(k)
	})
}
