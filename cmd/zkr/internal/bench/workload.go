package bench

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
)

// Workload is a way to use a recipe.
type Workload struct {
	Name       string
	Operation  string // what one operation is
	Together   bool   // all clients take part in each operation, so one is made at a time
	Sized      bool   // Config.Size applies
	Backlogged bool   // Config.Backlog applies
	open       func(*benchmark) driver
}

// Workloads are all workloads.
var Workloads = []*Workload{
	{Name: "lock", open: openLock,
		Operation: "acquire and release a lock that no other client uses"},
	{Name: "handoff", open: openHandoff,
		Operation: "release a lock that all clients want, until the next owns it"},
	{Name: "election", open: openElection,
		Operation: "the leader resigns, until the next candidate leads"},
	{Name: "queue", open: openQueue, Sized: true, Backlogged: true,
		Operation: "push an item, claim the first item and acknowledge it"},
	{Name: "barrier", open: openBarrier, Together: true,
		Operation: "all clients enter a double barrier and leave it"},
	{Name: "config", open: openConfig, Together: true, Sized: true,
		Operation: "update a value, until all clients have seen it"},
	{Name: "member", open: openMember, Sized: true,
		Operation: "join and leave a group, each until a watcher has seen it"},
	{Name: "sequence", open: openSequence,
		Operation: "get the next number of a sequence that all clients use"},
	{Name: "task", open: openTask, Sized: true,
		Operation: "submit a task and wait for its result; each client works"},
}

// driver makes the operations of a workload.
type driver interface {
	// setUp prepares the operations. It need not create nodes that the first operation
	// creates.
	setUp(context.Context) error
	// operate makes one operation and returns its latency. It is called for each client
	// at the same time, or for client 0 only if the workload is Together.
	operate(ctx context.Context, client int) (time.Duration, error)
}

// noSetUp is embedded in drivers that need no preparation.
type noSetUp struct{}

func (noSetUp) setUp(context.Context) error { return nil }

// perClient returns what f returns for each client.
func perClient[T any](b *benchmark, f func(client int, s *session.Session) T) []T {
	ts := make([]T, len(b.sessions))
	for i, s := range b.sessions {
		ts[i] = f(i, s)
	}
	return ts
}

// timed is a driver whose operations are calls of a function.
type timed struct {
	noSetUp
	call func(ctx context.Context, client int) error
}

func (t timed) operate(ctx context.Context, client int) (time.Duration, error) {
	start := time.Now()
	err := t.call(ctx, client)
	return time.Since(start), err
}

func openLock(b *benchmark) driver {
	locks := perClient(b, func(i int, s *session.Session) *lock.Mutex {
		return lock.New(s, session.Join(b.root.path, fmt.Sprintf("lock-%d", i)))
	})
	return timed{call: func(ctx context.Context, client int) error {
		l, err := locks[client].Lock(ctx)
		if err != nil {
			return err
		}
		return l.Unlock(ctx)
	}}
}

// contended is a driver whose clients compete for one ownership. The latency of an
// operation is the time from the release, or from the call if that was later, to the
// acquisition.
type contended struct {
	noSetUp
	acquire func(ctx context.Context, client int) (release func(context.Context) error, err error)

	mu       sync.Mutex
	released time.Time // when the last release began
}

func (c *contended) operate(ctx context.Context, client int) (time.Duration, error) {
	called := time.Now()
	release, err := c.acquire(ctx, client)
	if err != nil {
		return 0, err
	}
	acquired := time.Now()
	c.mu.Lock()
	from := c.released
	c.released = acquired
	c.mu.Unlock()
	if from.Before(called) {
		from = called
	}
	return acquired.Sub(from), release(ctx)
}

func openHandoff(b *benchmark) driver {
	locks := perClient(b, func(_ int, s *session.Session) *lock.Mutex {
		return lock.New(s, session.Join(b.root.path, "lock"))
	})
	return &contended{acquire: func(ctx context.Context, client int) (func(context.Context) error, error) {
		l, err := locks[client].Lock(ctx)
		if err != nil {
			return nil, err
		}
		return l.Unlock, nil
	}}
}

func openElection(b *benchmark) driver {
	elections := perClient(b, func(i int, s *session.Session) *election.Election {
		return election.New(s, session.Join(b.root.path, "election"), election.WithID(fmt.Sprintf("client-%d", i)))
	})
	return &contended{acquire: func(ctx context.Context, client int) (func(context.Context) error, error) {
		t, err := elections[client].Campaign(ctx)
		if err != nil {
			return nil, err
		}
		return t.Resign, nil
	}}
}

// data returns data of Config.Size bytes.
func (b *benchmark) data() []byte { return bytes.Repeat([]byte("x"), b.Size) }

type queueDriver struct {
	timed
	b      *benchmark
	queues []*queue.Queue[[]byte]
}

func openQueue(b *benchmark) driver {
	d := &queueDriver{b: b, queues: perClient(b, func(_ int, s *session.Session) *queue.Queue[[]byte] {
		return queue.New(s, session.Join(b.root.path, "queue"), codec.Bytes())
	})}
	data := b.data()
	d.call = func(ctx context.Context, client int) error {
		if _, err := d.queues[client].Push(ctx, data); err != nil {
			return err
		}
		item, err := d.queues[client].Claim(ctx)
		if err != nil {
			return err
		}
		return item.Ack(ctx)
	}
	return d
}

// backlogBatch is how many items of the backlog are pushed by one call.
const backlogBatch = 1000

// setUp pushes the backlog, by all clients at the same time.
func (d *queueDriver) setUp(ctx context.Context) error {
	d.b.Progress.Begin("pushing the backlog", int64(d.b.Backlog), 0)
	batch := slices.Repeat([][]byte{d.b.data()}, backlogBatch)
	var mu sync.Mutex
	left := d.b.Backlog
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		n := min(left, backlogBatch)
		left -= n
		return n
	}
	return d.b.each(ctx, func(ctx context.Context, client int) error {
		for n := take(); n > 0; {
			ids, err := d.queues[client].PushAll(ctx, batch[:n])
			n -= len(ids)
			d.b.Progress.Add(int64(len(ids)))
			switch {
			case err == nil:
				n = take()
			case ctx.Err() != nil || permanent(err):
				return err
			default: // some items may be there twice, which does not matter
				pause(ctx, d.b.sessions[client])
			}
		}
		return nil
	})
}

// each calls f for all clients at the same time. The first error ends the context of the
// other calls and is returned.
func (b *benchmark) each(ctx context.Context, f func(ctx context.Context, client int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for i := range b.sessions {
		all.Go(func() {
			if err := f(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func openBarrier(b *benchmark) driver {
	barriers := perClient(b, func(_ int, s *session.Session) *barrier.Double {
		return barrier.NewDouble(s, session.Join(b.root.path, "barrier"), b.Clients)
	})
	return timed{call: func(ctx context.Context, _ int) error {
		return b.each(ctx, func(ctx context.Context, client int) error {
			e, err := barriers[client].Enter(ctx)
			if err != nil {
				return err
			}
			return e.Leave(ctx)
		})
	}}
}

// viewPause is longer than the time in which views combine changes: config.Value and
// Group.Watch read a change immediately only if there was none for a tenth of a second.
const viewPause = 120 * time.Millisecond

// separate waits so that the views show the next change separately.
func separate(ctx context.Context) error {
	timer := time.NewTimer(viewPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

type configDriver struct {
	b      *benchmark
	values []*config.Value[[]byte]
	data   []byte
}

func openConfig(b *benchmark) driver {
	return &configDriver{b: b, values: make([]*config.Value[[]byte], b.Clients), data: b.data()}
}

func (d *configDriver) operate(ctx context.Context, _ int) (time.Duration, error) {
	if err := separate(ctx); err != nil {
		return 0, err
	}
	start := time.Now()
	written, err := d.values[0].Put(ctx, d.data, session.AnyVersion)
	for _, v := range d.values {
		if err == nil {
			err = awaitVersion(ctx, v, written.Zxid)
		}
	}
	return time.Since(start), err
}

// setUp has all clients follow the value. The views end with their sessions.
func (d *configDriver) setUp(ctx context.Context) error {
	return d.b.each(ctx, func(ctx context.Context, client int) (err error) {
		d.values[client], err = config.OpenOr(ctx, d.b.sessions[client], session.Join(d.b.root.path, "value"), codec.Bytes(), nil)
		return err
	})
}

// awaitVersion waits until v shows the version that was written by the transaction zxid,
// or a later one.
func awaitVersion(ctx context.Context, v *config.Value[[]byte], zxid session.Zxid) error {
	for {
		changed := v.Changed()
		if v.Snapshot().Zxid >= zxid {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

type memberDriver struct {
	b      *benchmark
	groups []*membership.Group
	data   []byte

	mu      sync.Mutex
	seen    membership.Snapshot // by the watcher
	changed chan struct{}       // closed and replaced when seen changes
	joined  int                 // how many members have been created
}

func openMember(b *benchmark) driver {
	return &memberDriver{b: b, data: b.data(), changed: make(chan struct{}), groups: perClient(b, func(_ int, s *session.Session) *membership.Group {
		return membership.New(s, session.Join(b.root.path, "group"))
	})}
}

func (d *memberDriver) operate(ctx context.Context, client int) (time.Duration, error) {
	if err := separate(ctx); err != nil {
		return 0, err
	}
	id, start := d.newID(), time.Now()
	m, err := d.groups[client].Join(ctx, id, d.data)
	if err != nil {
		return 0, err
	}
	err = d.await(ctx, id, true)
	joining := time.Since(start)
	if err == nil {
		err = separate(ctx)
	}
	start = time.Now()
	if leaveErr := m.Leave(ctx); err == nil {
		err = leaveErr
	}
	if err == nil {
		err = d.await(ctx, id, false)
	}
	return joining + time.Since(start), err
}

// setUp starts the watcher, on the session of client 0.
func (d *memberDriver) setUp(context.Context) error {
	d.b.goUntilEnd(func(ctx context.Context) error {
		for v, err := range d.groups[0].Watch(ctx) {
			if err != nil {
				return err
			}
			d.mu.Lock()
			d.seen = v
			close(d.changed)
			d.changed = make(chan struct{})
			d.mu.Unlock()
		}
		return nil
	})
	return nil
}

func (d *memberDriver) newID() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.joined++
	return fmt.Sprintf("member-%d", d.joined)
}

// await waits until the watcher sees the member, or does not see it.
func (d *memberDriver) await(ctx context.Context, id string, present bool) error {
	for {
		d.mu.Lock()
		seen, changed := d.seen, d.changed
		d.mu.Unlock()
		if _, ok := seen.Find(id); ok == present {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func openSequence(b *benchmark) driver {
	sequences := perClient(b, func(_ int, s *session.Session) *naming.Sequence {
		return naming.NewSequence(s, session.Join(b.root.path, "sequence"))
	})
	return timed{call: func(ctx context.Context, client int) error {
		_, err := sequences[client].Next(ctx)
		return err
	}}
}

type taskDriver struct {
	timed
	b     *benchmark
	pools []*tasks.Pool[[]byte, []byte]
}

func openTask(b *benchmark) driver {
	d := &taskDriver{b: b, pools: perClient(b, func(_ int, s *session.Session) *tasks.Pool[[]byte, []byte] {
		return tasks.New(s, session.Join(b.root.path, "pool"), codec.Bytes(), codec.Bytes())
	})}
	data := b.data()
	d.call = func(ctx context.Context, client int) error {
		t, err := d.pools[client].Submit(ctx, data)
		if err != nil {
			return err
		}
		_, err = t.Wait(ctx)
		return err
	}
	return d
}

// setUp starts a worker for each client, and the master on the session of client 0.
func (d *taskDriver) setUp(context.Context) error {
	d.b.goUntilEnd(func(ctx context.Context) error { return d.pools[0].Master(ctx) })
	for i, p := range d.pools {
		d.b.goUntilEnd(func(ctx context.Context) error {
			return p.Work(ctx, fmt.Sprintf("worker-%d", i), func(_ context.Context, t tasks.Task[[]byte]) ([]byte, error) {
				return t.Input, nil
			})
		})
	}
	return nil
}
