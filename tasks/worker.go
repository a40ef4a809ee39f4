package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/presence"
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/session"
)

// Work is the worker id of the pool: it calls fn for each task that is assigned to
// it, up to WithConcurrency at a time, until ctx ends.
//
// If fn returns nil, the task is done, and the returned value is its result. If fn
// returns an error or panics, the attempt has failed. The task is then assigned
// again after a pause (see WithRetryAfter), or has failed with the error's message,
// if it was the last attempt (see WithMaxAttempts) or the error is Permanent. A
// task also fails if its data cannot be decoded or its result has more than MaxSize
// bytes.
//
// The context passed to fn is canceled when ctx ends and when the claim is lost,
// for example with the ZooKeeper session. A result that fn returns counts as long
// as the claim lasts, even after ctx has ended. An error that fn returns after the
// end of ctx does not count as a failed attempt.
//
// The worker's node is created again in each ZooKeeper session. If another session
// has a worker of this id, Work waits until that worker is gone: a restarted
// process waits for the session of its predecessor. If this session has such a
// worker, the error is ErrWorking. If the worker's node is an ownerless node, the
// error is ErrTaken.
//
// Work returns nil if ctx is done, and an error if it cannot continue, for example
// because access is denied or the session is closed. In both cases all calls of fn
// have returned and their tasks are settled, unless the session ended first.
// Assigned tasks that were not begun are left to the master.
//
// Each task costs one round trip of reads, one transaction that claims it and one
// that settles it.
func (p *Pool[In, Out]) Work(ctx context.Context, id string, fn func(context.Context, Task[In]) (Out, error), opts ...WorkOption) error {
	const op = "work for"
	if err := p.pool.usable(op); err != nil {
		return err
	}
	o, err := newWorkOptions(opts)
	if err := cmp.Or(checkID(id), args.NotNil("the function", fn == nil), err); err != nil {
		return &session.OpError{Package: "tasks", Op: op, Path: p.pool.paths.path, Err: err}
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w := &worker{
		pool: &p.pool, opts: o, id: id, stop: stop,
		handle: func(ctx context.Context, t Task[[]byte]) ([]byte, error) { return p.handle(ctx, t, fn) },
		work:   make(map[string]*job),
		ended:  make(chan *job, o.concurrency),
		gone:   make(chan struct{}),
	}
	return w.run(ctx)
}

// handle decodes a task, calls fn and encodes the result.
func (p *Pool[In, Out]) handle(ctx context.Context, t Task[[]byte], fn func(context.Context, Task[In]) (Out, error)) (result []byte, err error) {
	in, err := p.in.Decode(t.Input)
	if err != nil {
		return nil, Permanent(fmt.Errorf("decoding the task: %w", err))
	}
	out, err := callIsolated(func() (Out, error) { return fn(ctx, Task[In]{t.ID, t.Attempt, in, t.attempt}) })
	if err != nil {
		return nil, err
	}
	result, err = p.out.Encode(out)
	switch {
	case err != nil:
		err = Permanent(fmt.Errorf("encoding the result: %w", err))
	case len(result) > p.MaxSize():
		err = Permanent(fmt.Errorf("the result has %d bytes, which is over the limit of %d", len(result), p.MaxSize()))
	}
	return result, err
}

// callIsolated calls f in a separate goroutine, so that a panic or runtime.Goexit
// in f does not end the worker.
func callIsolated[Out any](f func() (Out, error)) (out Out, err error) {
	err = errors.New("the handler called runtime.Goexit")
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("panic: %v", r)
			}
		}()
		out, err = f()
	}()
	<-done
	return out, err
}

// worker is one call of Work.
type worker struct {
	pool   *pool
	opts   workOptions
	id     string
	handle func(context.Context, Task[[]byte]) ([]byte, error)
	stop   context.CancelCauseFunc
	gone   chan struct{} // closed when nothing more is assigned to the worker

	work  map[string]*job // by name of the task
	busy  int             // how many of work are busy
	ended chan *job       // buffered for all busy jobs
	all   sync.WaitGroup
}

// job is the worker's work on one assignment.
type job struct {
	task    string
	czxid   session.Zxid // the assignment's czxid
	busy    bool
	settled bool // the assignment is deleted, or is about to be
}

// run announces the worker and works until ctx ends.
func (w *worker) run(ctx context.Context) error {
	e, err := w.pool.session.Epoch(ctx)
	if err != nil {
		return ignoreEnd(ctx, &session.OpError{Package: "tasks", Op: "work for", Path: w.pool.paths.path, Err: err})
	}
	if err := e.CheckStopTime(w.pool.paths.path, w.opts.stopTime); err != nil {
		return err
	}
	if err := w.pool.createNodes(ctx); err != nil {
		return ignoreEnd(ctx, err)
	}
	announcement, err := presence.Announce(ctx, w.pool.session, presence.Node{
		Package: "tasks",
		Path:    w.pool.paths.worker(w.id), Data: []byte(w.pool.opts.address),
		Errors: presence.Errors{Duplicate: ErrWorking, Occupied: ErrTaken, Withdrawn: ErrStopped},
	})
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	err = w.serve(ctx, announcement)
	if err != nil {
		w.stop(&permanentError{err})
	}
	// Withdraw the worker first, so that the master does not assign it the tasks that
	// its handlers leave unfinished.
	settle := context.WithoutCancel(ctx)
	announcement.Withdraw(settle)
	close(w.gone)
	w.all.Wait()
	w.removeInbox(settle)
	return err
}

// removeInbox deletes the inbox if it is empty. If it is not, or if the delete
// fails, the master deletes it later.
func (w *worker) removeInbox(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.pool.session.Timeout())
	defer cancel()
	w.pool.session.Delete(ctx, w.pool.paths.inbox(w.id), session.AnyVersion)
}

// serve runs the tasks in the inbox until ctx ends.
func (w *worker) serve(ctx context.Context, announcement *presence.Announcement) error {
	if err := w.createInbox(ctx); err != nil {
		return ignoreEnd(ctx, err)
	}
	v, err := view.Open(ctx, w.pool.session, w.pool.paths.inbox(w.id), view.Options{
		Package: "tasks",
		Depth:   1, Prompt: true, Accept: func(name string) bool { _, ok := taskNumber(name); return ok },
	})
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	defer v.Close()
	for {
		changed, announced := v.Changed(), announcement.Changed()
		s := v.Snapshot()
		switch err := v.Err(); {
		case !s.Exists && err == nil:
			if err := w.createInbox(ctx); err != nil {
				return ignoreEnd(ctx, err)
			}
			v.Refresh()
		case refusal.IsPermanent(err):
			return err
		}
		if announcement.Err() == nil {
			w.startTasks(ctx, s)
		}
		select {
		case <-changed:
		case <-announced:
		case j := <-w.ended:
			j.busy = false
			w.busy--
			if !j.settled {
				delete(w.work, j.task)
			}
		case <-ctx.Done():
			return w.refusal(ctx)
		}
	}
}

// refusal returns why Work ends, or nil if its context ended.
func (w *worker) refusal(ctx context.Context) error {
	var r *permanentError
	if errors.As(context.Cause(ctx), &r) {
		return r.reason
	}
	return nil
}

// ignoreEnd returns nil instead of err if ctx has ended.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// createInbox creates the worker's inbox and writes into it how many tasks the
// worker takes at a time.
func (w *worker) createInbox(ctx context.Context) error {
	path := w.pool.paths.inbox(w.id)
	for {
		if err := w.pool.ensureNode(ctx, path, w.capacityData()); err != nil {
			return err
		}
		_, err := w.pool.session.Set(ctx, path, w.capacityData(), session.AnyVersion)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, session.ErrNoNode), errors.Is(err, session.ErrUnknown) && ctx.Err() == nil: // try again
		default:
			return err
		}
	}
}

func (w *worker) capacityData() []byte { return []byte(strconv.Itoa(w.opts.concurrency)) }

// startTasks starts the first assigned tasks, as far as the concurrency allows.
func (w *worker) startTasks(ctx context.Context, s *view.Snapshot) {
	for name, j := range w.work {
		if _, assigned := s.Find(name); !assigned && !j.busy {
			delete(w.work, name)
		}
	}
	nodes := slices.SortedFunc(slices.Values(s.Nodes), func(a, b view.Node) int { return byNumber(a.Path, b.Path) })
	for _, n := range nodes {
		if w.busy == w.opts.concurrency || ctx.Err() != nil {
			return
		}
		if j := w.work[n.Path]; j != nil && (j.busy || j.czxid == n.Stat.Czxid) {
			continue
		}
		j := &job{task: n.Path, czxid: n.Stat.Czxid, busy: true}
		w.work[n.Path] = j
		w.busy++
		w.all.Go(func() {
			j.settled = w.process(ctx, j.task)
			w.ended <- j
		})
	}
}
