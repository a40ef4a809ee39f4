package tasks

import (
	"context"
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/session"
)

var (
	errDeposed  = errors.New("tasks: not the master any more")
	errResigned = errors.New("tasks: the master has stopped")
)

// Master takes part in the pool's master election, and is the master while it is
// elected, until ctx ends. The master assigns tasks to live workers, to each no
// more than it takes at a time (see WithStrategy, WithConcurrency), takes back
// tasks of workers that have died, and removes finished tasks (see WithRetention).
// A new master reads its state from the nodes.
//
// All candidates wait for one ephemeral node of a fixed name, so there should be
// few of them.
//
// Master returns nil if ctx is done. It returns an error if it cannot continue, for
// example because access is denied or the session is closed, and if ctx ends while
// it waits for an ownerless node (session.ErrNoOwner).
//
// A term begins with a listing of all tasks and a read of each one's status. After
// that, the cost of a task does not depend on how many tasks wait or are finished:
// a share of the transaction that assigns it, a listing of its worker's inbox when
// it is assigned and another one when it is settled, and a read of its status.
func (p *Pool[In, Out]) Master(ctx context.Context, opts ...MasterOption) error {
	if err := p.pool.usable("lead"); err != nil {
		return err
	}
	o, err := newMasterOptions(opts)
	if err != nil {
		return &session.OpError{Package: "tasks", Op: "lead", Path: p.pool.paths.path, Err: err}
	}
	return p.pool.lead(ctx, o)
}

// lead waits for election and serves terms until ctx ends.
func (c *pool) lead(ctx context.Context, o masterOptions) error {
	node := lease.FixedNode{Package: "tasks", Session: c.session, Path: c.paths.master()}
	pauses := newPauses()
	for {
		acquired, err := node.Acquire(ctx, []byte(c.opts.address))
		if ctx.Err() != nil && err != nil && !errors.Is(err, session.ErrNoOwner) {
			return nil
		}
		if err != nil {
			return err
		}
		began := time.Now()
		l := lease.Begin(ctx, acquired, lease.Behavior{Lost: errDeposed, Released: errResigned})
		err = c.term(ctx, l, o)
		l.Release(context.WithoutCancel(ctx))
		switch {
		case ctx.Err() != nil:
			return nil
		case refusal.IsPermanent(err):
			return err
		}
		waitAfter(ctx, pauses, began)
	}
}

// term serves one term, until the lease or ctx ends or an error occurs. The
// master's state is discarded with it.
func (c *pool) term(ctx context.Context, l *lease.Lease, o masterOptions) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.Context(), func() { cancel(l.Err()) })()
	m := &master{pool: c, opts: o, epoch: l.Epoch(), wakeup: make(chan struct{}, 1), state: newMasterState()}
	defer m.close()
	if err := m.fenceEarlierMasters(ctx, l.Guards()[0]); err != nil {
		return err
	}
	for {
		if err := m.observe(ctx); err != nil {
			return err
		}
		if err := m.reconcile(ctx); err != nil {
			return err
		}
		if err := m.wait(ctx); err != nil {
			return err
		}
	}
}

// master is the master during one term.
type master struct {
	pool           *pool
	opts           masterOptions
	epoch          *session.Epoch
	fence          []session.Op  // part of every transaction of this term
	inboxesVersion int32         // the version of the inboxes' parent in fence
	wakeup         chan struct{} // receives when a watch has fired
	state          masterState

	clock        serverClock
	tasksWatch   *session.Watch // of the children of the tasks' parent
	workersWatch *session.Watch // of the children of the workers' parent
	next         int32          // the number of the next task
}

// fenceEarlierMasters makes later transactions of earlier masters fail: each of
// them checks the version that the inboxes' parent had in its term.
func (m *master) fenceEarlierMasters(ctx context.Context, guard session.Op) error {
	if err := m.pool.createNodes(ctx); err != nil {
		return err
	}
	r, err := m.epoch.TxnWithReceipt(ctx, guard, session.OpSet(m.pool.paths.inboxes(), nil, session.AnyVersion))
	if err != nil {
		return err
	}
	m.clock = serverClock{}
	m.clock.set(r[1].Stat.Mtime)
	m.fenceAt(guard, r[1].Stat.Version)
	return nil
}

// fenceAt makes transactions of this term depend on a version of the inboxes'
// parent.
func (m *master) fenceAt(guard session.Op, version int32) {
	m.inboxesVersion = version
	m.fence = []session.Op{guard, session.OpCheck(m.pool.paths.inboxes(), version)}
}

// txn carries out a transaction that fails with errDeposed unless the term lasts.
func (m *master) txn(ctx context.Context, ops ...session.Op) error {
	all := append(append(make([]session.Op, 0, len(m.fence)+len(ops)), m.fence...), ops...)
	_, err := m.epoch.TxnWithReceipt(ctx, all...)
	var oe *session.OpError
	if errors.As(err, &oe) && (oe.Path == m.pool.paths.inboxes() || oe.Path == m.pool.paths.master()) {
		return errDeposed
	}
	return err
}

// wait waits until there is something to do.
func (m *master) wait(ctx context.Context) error {
	var due <-chan time.Time
	if at := m.due(); !at.IsZero() {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-m.wakeup:
	case <-due:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-m.epoch.Context().Done():
		return context.Cause(m.epoch.Context())
	}
	return nil
}

// close closes all watches.
func (m *master) close() {
	m.tasksWatch.Close()
	m.workersWatch.Close()
	for _, d := range m.state.workers {
		d.close()
	}
	for _, t := range m.state.tasks {
		t.watch.Close()
	}
}

// longestPause is the longest pause of newPauses.
const longestPause = 5 * time.Second

// newPauses returns the pauses between attempts that failed for a reason that may
// pass.
func newPauses() *backoff.Backoff { return backoff.New(50*time.Millisecond, longestPause, 0.5) }

// waitAfter waits after an attempt that began at began. After an attempt longer
// than longestPause, the pauses start again with the shortest.
func waitAfter(ctx context.Context, pauses *backoff.Backoff, began time.Time) {
	if time.Since(began) > longestPause {
		pauses.Reset()
	}
	pauses.Wait(ctx)
}
