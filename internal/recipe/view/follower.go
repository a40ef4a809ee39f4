package view

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/session"
)

// What a view spares the servers. However much changes, it reads the changes of
// at least gap at a time, and fewer than 1/each nodes and names in a second on
// average.
const (
	basePause    = 100 * time.Millisecond
	pausePerNode = 500 * time.Microsecond
)

// pause is how long to wait after n nodes have been read and names listed.
func pause(n int) time.Duration { return basePause + time.Duration(n)*pausePerNode }

const (
	// promptReads is how often what changes while it is read is read again at once.
	promptReads = 2
	// staleAfter is after how long of that the view says that it is out of date.
	staleAfter = 5 * time.Second
	// What a server has refused is asked for again after a while: first after
	// the shorter, then after up to the longer.
	firstRetry, longestRetry = time.Second, 15 * time.Second
)

// run follows in one epoch after the other.
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

// goOn tells whether to go on in the next epoch. If not, it says so to all.
func (v *View) goOn(err error) bool {
	next := *v.state.Load()
	switch {
	case v.ctx.Err() != nil:
		next.end = v.opError(v.opts.Closed)
	case errors.Is(err, session.ErrClosed):
		next.end = v.opError(err)
	case errors.Is(err, session.ErrExpired):
		return true
	default: // cannot be: every other error is that of a node
		next.end = v.opError(err)
	}
	v.publish(next)
	return false
}

// follower follows within one epoch. Only one goroutine uses it.
type follower struct {
	view    *View
	epoch   *session.Epoch
	ctx     context.Context // ends with the view
	wakeup  chan struct{}   // rings when a watch has fired
	entries map[string]*entry

	absences int // how often there was no root

	nextRead time.Time // when it may read again
	retries  *backoff.Backoff
	pause    time.Duration // before the next read of what the server refused
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

// follow returns when the epoch or the view ends.
func (f *follower) follow() error {
	defer f.drop()
	if f.view.Snapshot() != nil {
		// The new session may be connected to a server that lags behind, and the view
		// must not go back to what it has shown before.
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

// refresh reads what is out of date, and publishes it when nothing is any more.
func (f *follower) refresh() error {
	begun, total := time.Now(), 0
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
		if patience > 0 && time.Since(begun) >= patience {
			f.publish(false)
			begun = time.Now()
		} else if time.Since(begun) >= staleAfter {
			f.fallBehind()
		}
		if pass > promptReads {
			if err := f.sleep(pause(n)); err != nil {
				return err
			}
		}
	}
	if total > 0 {
		rest := pause(total)
		if f.view.opts.Prompt {
			rest -= basePause
		}
		f.nextRead = time.Now().Add(rest)
		f.publish(true)
	}
	return nil
}

// waitForChange waits until there is something to read and the time has come to read it.
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

// fallBehind tells that the nodes change faster than they can be read.
func (f *follower) fallBehind() {
	next := *f.view.state.Load()
	next.stale = fmt.Errorf("%w: it changes faster than it can be read", f.view.opts.Stale)
	f.view.publish(next)
}

// publish shows what has been read.
func (f *follower) publish(settled bool) {
	f.view.publish(state{snapshot: f.snapshot(settled), epoch: f.epoch.Number()})
}
