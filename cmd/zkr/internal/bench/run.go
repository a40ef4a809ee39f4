package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// Config configures a benchmark. A benchmark changes no other nodes than Path and those below
// it, except that it creates missing ancestors, and deletes them at the end.
type Config struct {
	Workload *Workload
	Path     string        // the node that is created and deleted again; see NewPath
	Clients  int           // the number of sessions
	Ops      int           // how many operations to make; 0 for no limit
	Duration time.Duration // how long to make operations; 0 for no limit
	Size     int           // of the data in bytes, if Workload.Sized
	Backlog  int           // the number of items that wait, if Workload.Backlogged

	// Connect connects a client with further options.
	Connect  func(context.Context, ...session.Option) (*session.Session, error)
	Progress Progress
}

// Progress shows the progress of a benchmark.
type Progress interface {
	// Begin begins a phase, and ends the one before. It takes total steps, or d, or
	// what is shorter; 0 is an unknown number.
	Begin(phase string, total int64, d time.Duration)
	// Add adds steps to the current phase.
	Add(n int64)
}

// CleaningUp is the last phase, in which the nodes are deleted.
const CleaningUp = "cleaning up"

// Report is the result of a benchmark.
type Report struct {
	Operations int   // how many were completed
	Failed     int   // how many were not, because ownership or a connection was lost
	FirstError error // of the first failed operation
	Elapsed    time.Duration
	Latency    Latency
	Traffic    Traffic // of all operations together
	// ServerRead and ServerWrite are the medians of the round trip of a read and of a
	// write when no operation was in progress.
	ServerRead, ServerWrite time.Duration
}

// PerSecond returns the number of operations per second.
func (r *Report) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Operations) / r.Elapsed.Seconds()
}

// PerOperation divides a number of the Traffic by the number of operations.
func (r *Report) PerOperation(n int64) float64 {
	if r.Operations == 0 {
		return 0
	}
	return float64(n) / float64(r.Operations)
}

// Run carries out a benchmark. It uses control, a session that is not one of the clients,
// to create and delete the node that it works below.
//
// If ctx ends, Run stops and returns the cause, together with the report of the operations
// until then. Otherwise an operation that fails because a connection or ownership was lost
// is counted, and the run continues. An error that retries cannot help ends it.
//
// Before Run returns, in any case, it closes the sessions of the clients and deletes all
// that it has created. It waits for the servers as long as cleanup is not done. If
// something may be left, the error says so.
func Run(ctx, cleanup context.Context, control *session.Session, c Config) (Report, error) {
	b := &benchmark{
		Config: c, control: control,
		root:     root{s: control, path: c.Path, progress: c.Progress},
		sessions: make([]*session.Session, c.Clients),
		counters: make([]counter, c.Clients),
	}
	b.ctx, b.cancel = context.WithCancelCause(ctx)
	err := b.run()
	if cause := context.Cause(b.ctx); cause != nil {
		err = cause // the first of several errors
	}
	return b.report, errors.Join(err, b.tearDown(cleanup))
}

// benchmark is a benchmark that runs.
type benchmark struct {
	Config
	control  *session.Session
	root     root
	sessions []*session.Session // of the clients; nil for those that are not connected
	counters []counter          // of the sessions

	// ctx ends when the benchmark is interrupted, when a part of it has failed, and
	// before it is torn down.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// background are the parts of the driver that run until the end.
	background sync.WaitGroup

	report Report
}

func (b *benchmark) run() error {
	if err := b.root.create(b.ctx); err != nil {
		return err
	}
	if err := b.connect(); err != nil {
		return err
	}
	d := b.Workload.open(b)
	if err := d.setUp(b.ctx); err != nil {
		return err
	}
	// The first operations create the recipe's nodes.
	b.Progress.Begin("warming up", 0, 0)
	if err := b.drive(d, &recorder{}, b.loops(), 0); err != nil {
		return err
	}
	if err := b.pingServer(); err != nil {
		return err
	}
	return b.measure(d)
}

const (
	// connecting is how many clients connect at the same time.
	connecting = 32
	// connectGrace is how long an attempt to connect may continue after the benchmark has
	// ended. An attempt that is given up can leave a session until servers expire it.
	connectGrace = time.Second
)

// connect connects all clients.
func (b *benchmark) connect() error {
	b.Progress.Begin("connecting", int64(b.Clients), 0)
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(b.ctx))
	defer cancel(nil)
	defer context.AfterFunc(b.ctx, func() {
		grace := time.NewTimer(connectGrace)
		defer grace.Stop()
		select {
		case <-grace.C:
			cancel(context.Cause(b.ctx))
		case <-ctx.Done():
		}
	})()
	var all sync.WaitGroup
	free := make(chan struct{}, connecting)
	for i := range b.sessions {
		all.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			if b.ctx.Err() != nil {
				return
			}
			s, err := b.Connect(ctx,
				session.WithHooks(session.Hooks{Request: b.counters[i].ended}),
				session.WithReceipts(session.Join(b.root.path, "receipts")))
			if err != nil {
				b.cancel(fmt.Errorf("client %d of %d: %w", i+1, b.Clients, err))
				return
			}
			b.sessions[i] = s
			b.Progress.Add(1)
		})
	}
	all.Wait()
	return context.Cause(b.ctx)
}

// The limits of the measurement of the server's round trip.
const (
	maxPings    = 100
	maxPingTime = 500 * time.Millisecond
)

// pingServer measures the round trips of a read and of a write.
func (b *benchmark) pingServer() (err error) {
	b.report.ServerRead, err = b.ping(func() error {
		_, _, err := b.control.Exists(b.ctx, b.root.path)
		return err
	})
	if err != nil {
		return err
	}
	b.report.ServerWrite, err = b.ping(func() error {
		_, err := b.control.Set(b.ctx, b.root.path, nil, session.AnyVersion)
		return err
	})
	return err
}

// ping returns the median duration of calls of f.
func (b *benchmark) ping(f func() error) (time.Duration, error) {
	var ds []time.Duration
	for begin := time.Now(); len(ds) < maxPings && (len(ds) == 0 || time.Since(begin) < maxPingTime); {
		start := time.Now()
		err := f()
		switch {
		case err == nil:
			ds = append(ds, time.Since(start))
		case b.ctx.Err() != nil || permanent(err):
			return 0, err
		default:
			pause(b.ctx, b.control)
		}
	}
	slices.Sort(ds)
	return percentile(ds, 0.5), nil
}

// measure makes the operations and fills in the report.
func (b *benchmark) measure(d driver) error {
	ops := b.Ops
	if ops == 0 {
		ops = -1
	}
	b.Progress.Begin("running", int64(b.Ops), b.Duration)
	var rec recorder
	before, start := b.traffic(), time.Now()
	err := b.drive(d, &rec, ops, b.Duration)
	b.report.Elapsed = time.Since(start)
	b.report.Traffic = b.traffic().subtract(before)
	b.report.Operations, b.report.Failed, b.report.FirstError = len(rec.latencies), rec.failed, rec.firstErr
	b.report.Latency = newLatency(rec.latencies)
	return err
}

// traffic returns the traffic of all clients.
func (b *benchmark) traffic() (sum Traffic) {
	for i := range b.counters {
		sum = sum.add(b.counters[i].load())
	}
	return sum
}

// loops is the number of operations that are made at the same time.
func (b *benchmark) loops() int {
	if b.Workload.Together {
		return 1
	}
	return b.Clients
}

// drive makes n operations, or any number if n is negative, and begins none after d,
// unless d is 0. An operation that is in progress then may take another session timeout.
func (b *benchmark) drive(d driver, rec *recorder, n int, duration time.Duration) error {
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	over := make(chan struct{})
	if duration > 0 {
		timer := time.AfterFunc(duration, func() { close(over) })
		defer timer.Stop()
		grace := time.AfterFunc(duration+b.control.Timeout(), cancel)
		defer grace.Stop()
	}
	var begun atomic.Int64
	begin := func() bool {
		select {
		case <-over:
			return false
		case <-ctx.Done():
			return false
		default:
			return n < 0 || begun.Add(1) <= int64(n)
		}
	}
	var all sync.WaitGroup
	for i := range b.loops() {
		all.Go(func() {
			for begin() {
				latency, err := d.operate(ctx, i)
				switch {
				case err == nil:
					rec.record(latency)
					b.Progress.Add(1)
				case b.ctx.Err() != nil:
					return
				case permanent(err):
					b.cancel(err)
					return
				default:
					rec.fail(err)
					pause(ctx, b.sessions[i])
				}
			}
		})
	}
	all.Wait()
	return context.Cause(b.ctx)
}

// goUntilEnd runs a part of the driver until the benchmark ends. f must return when its
// context ends. If it returns before, the benchmark ends with its error.
func (b *benchmark) goUntilEnd(f func(context.Context) error) {
	b.background.Go(func() {
		if err := f(b.ctx); b.ctx.Err() == nil {
			b.cancel(err)
		}
	})
}

// errEnded is the cause of benchmark.ctx after the run.
var errEnded = errors.New("bench: ended")

// tearDown closes the sessions of the clients and then deletes all nodes. A session that
// is closed creates none.
func (b *benchmark) tearDown(ctx context.Context) error {
	b.cancel(errEnded)
	b.Progress.Begin(CleaningUp, 0, 0)
	var all sync.WaitGroup
	all.Go(b.background.Wait)
	for _, s := range b.sessions {
		if s != nil {
			all.Go(func() { _ = s.Close(ctx) }) // otherwise the servers expire it
		}
	}
	all.Wait()
	return b.root.remove(ctx)
}
