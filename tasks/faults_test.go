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

// tasksRun is a run that counts which tasks were done.
type tasksRun struct {
	*faulttable.Run
	mu   sync.Mutex
	done map[string]int // tasks whose handler has succeeded
}

// pool returns a pool whose tasks do not run out of attempts.
func (c *tasksRun) pool(s *session.Session) *pool {
	return texts(s, tasks.WithMaxAttempts(100), tasks.WithRetryAfter(func(int) time.Duration { return 100 * time.Millisecond }))
}

// work returns a handler that takes a while and records itself as the owner of its task.
func (c *tasksRun) work(who string) handler {
	return func(ctx context.Context, k task) (string, error) {
		running, end := context.WithCancel(context.Background())
		defer end()
		c.Owners.Begin(who, k.Token(), running)
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

// submits submits a task, again while the outcome is unknown.
func (c *tasksRun) submits(p *pool, in string) *ticket {
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

// finished checks that each task has one status and was done, and that no assignment is left.
func (c *tasksRun) finished(ks ...*ticket) {
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

func play(t *testing.T, oneIn int, scenario func(*tasksRun)) {
	faulttable.Sample(t, oneIn, func(s *faulttable.Run) {
		scenario(&tasksRun{Run: s, done: make(map[string]int)})
	})
}

// Whatever happens to a client, its task exists once, or Submit reports that it may
// not exist; and the client learns the outcome.
func TestClientFaults(t *testing.T) {
	play(t, 5, func(c *tasksRun) {
		rival := c.pool(c.Healthy)
		lead := leading(c, rival)
		work := working(c, rival, "w1", c.work("w1"))
		k := c.submits(c.pool(c.Faulty), "x")
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

// Whatever happens to a worker, its task is done, by it or by another worker, and
// never by two at the same time.
func TestWorkerFaults(t *testing.T) {
	play(t, 17, func(c *tasksRun) {
		rival := c.pool(c.Healthy)
		k := c.submits(rival, "x")
		lead := leading(c, rival)
		work := working(c, c.pool(c.Faulty), "w1", c.work("w1"))
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

// Whatever happens to a master, all tasks are done, also under the next master.
func TestMasterFaults(t *testing.T) {
	play(t, 17, func(c *tasksRun) {
		rival := c.pool(c.Healthy)
		lead := leading(c, c.pool(c.Faulty))
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
