package view

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/session"
)

// The limits on the load that a view puts on the servers. After it has read, it waits
// for at least basePause, but not with Options.Prompt, and not before the first
// promptReads repetitions of a read. On average it reads fewer than 1/pausePerNode nodes
// and names in a second.
const (
	basePause    = 100 * time.Millisecond
	pausePerNode = 500 * time.Microsecond
)

// pause returns how long to wait after n nodes were read and names were listed.
func pause(n int) time.Duration { return basePause + time.Duration(n)*pausePerNode }

const (
	// promptReads is how often nodes that change while they are read are read again
	// without a pause.
	promptReads = 2
	// staleAfter is how long nodes may change while they are read before Err reports
	// that the view is out of date.
	staleAfter = 5 * time.Second
	// Reads that a server has refused are retried, first after firstRetry, then after
	// growing pauses of up to longestRetry.
	firstRetry, longestRetry = time.Second, 15 * time.Second
)

// run follows the tree in one epoch after the other.
func (v *View) run() {
	defer close(v.done)
	for {
		e, err := v.session.Epoch(v.ctx)
		if err == nil {
			err = newFollower(v, e).follow()
		}
		if !v.goOn(err) {
			return
		}
	}
}

// goOn reports whether to continue in the next epoch. If not, it publishes the end
// of the view.
func (v *View) goOn(err error) bool {
	next := *v.state.Load()
	switch {
	case v.ctx.Err() != nil:
		next.end = v.opError(v.opts.Closed)
	case errors.Is(err, session.ErrClosed):
		next.end = v.opError(err)
	case errors.Is(err, session.ErrExpired):
		return true
	default: // unreachable: other errors belong to one node
		next.end = v.opError(err)
	}
	v.publish(next)
	return false
}

// follower follows the tree in one epoch. Only one goroutine uses it.
type follower struct {
	view    *View
	epoch   *session.Epoch
	ctx     context.Context // done when the view is closed
	wakeup  chan struct{}   // receives when a watch has fired
	entries map[string]*entry

	absences int // how often the root did not exist

	nextRead time.Time // when the next read may begin
	retries  *backoff.Backoff
	pause    time.Duration // before the next retry of refused reads
}

func newFollower(v *View, e *session.Epoch) *follower {
	f := &follower{
		view: v, epoch: e, ctx: v.ctx, retries: backoff.New(firstRetry, longestRetry, 0), pause: firstRetry,
		wakeup: make(chan struct{}, 1), entries: make(map[string]*entry),
	}
	if s := v.Snapshot(); s != nil {
		f.absences = s.absences
	}
	f.add("", 0)
	return f
}

// follow reads and publishes until the epoch or the view ends.
func (f *follower) follow() error {
	defer f.drop()
	if f.view.Snapshot() != nil {
		// The new ZooKeeper session may be connected to a server that lags behind, and
		// the view must not go back to an earlier state.
		err := f.epoch.Sync(f.ctx, f.view.path)
		if f.ctx.Err() != nil || errors.Is(err, session.ErrExpired) || errors.Is(err, session.ErrClosed) {
			return err
		}
	}
	for {
		if err := f.refresh(); err != nil {
			return err
		}
		if err := f.waitForChange(); err != nil {
			return err
		}
	}
}

// refresh reads the parts that are out of date until none is, and publishes the
// result.
func (f *follower) refresh() error {
	start, total := time.Now(), 0
	patience := f.view.opts.Patience
	for pass := 1; f.stale(); pass++ {
		n, err := f.read()
		if err != nil {
			return err
		}
		total += n
		if !f.stale() {
			break
		}
		if patience > 0 && time.Since(start) >= patience {
			f.publish(false)
			start = time.Now()
		} else if time.Since(start) >= staleAfter {
			f.fallBehind()
		}
		if pass > promptReads {
			if err := f.sleep(pause(n)); err != nil {
				return err
			}
		}
	}
	if total > 0 {
		delay := pause(total)
		if f.view.opts.Prompt {
			delay -= basePause
		}
		f.nextRead = time.Now().Add(delay)
		f.publish(true)
	}
	return nil
}

// waitForChange waits until there is something to read and nextRead has come.
func (f *follower) waitForChange() error {
	var retry <-chan time.Time
	if f.refused() {
		t := time.NewTimer(f.pause)
		defer t.Stop()
		retry = t.C
	} else {
		f.retries.Reset()
		f.pause = f.retries.Next()
	}
	select {
	case <-f.wakeup:
	case <-f.view.refresh:
		root := f.entries[""]
		root.data.outdated, root.list.outdated = true, true
	case <-retry:
		f.pause = f.retries.Next()
		f.watchAgain()
	case <-f.ctx.Done():
		return context.Cause(f.ctx)
	case <-f.epoch.Context().Done():
		return context.Cause(f.epoch.Context())
	}
	return f.sleep(time.Until(f.nextRead))
}

func (f *follower) sleep(d time.Duration) error { return backoff.Sleep(d, f.ctx, f.epoch.Context()) }

// fallBehind publishes that the nodes change faster than they can be read.
func (f *follower) fallBehind() {
	next := *f.view.state.Load()
	next.stale = fmt.Errorf("%w: nodes change faster than they can be read", f.view.opts.Stale)
	f.view.publish(next)
}

// publish publishes a snapshot of the entries.
func (f *follower) publish(settled bool) {
	f.view.publish(state{snapshot: f.snapshot(settled), epoch: f.epoch.Number()})
}
