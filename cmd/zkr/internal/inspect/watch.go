package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/session"
)

const (
	// shortestPause is the pause between two reads of a path that changes all the time.
	// It grows with what was read.
	shortestPause = 200 * time.Millisecond
	pausePerWatch = 500 * time.Microsecond
	// askSessions is how often Watch asks the servers about sessions, which they do not
	// notify about.
	askSessions = 5 * time.Second
)

// Watch yields a Report and then another one after each change, until ctx is done. The
// Report is nil while the node does not exist. Quick successive changes may be shown
// as one.
//
// Watch sets watches on everything that it has read, and reads again when one has
// fired, with pauses that grow with the number of nodes. It leaves no watch. It asks
// Options.Sessions every five seconds.
func Watch(ctx context.Context, s *session.Session, path string, opts Options) iter.Seq2[*Report, error] {
	return func(yield func(*Report, error) bool) {
		var w watcher
		for ctx.Err() == nil {
			e, err := s.Epoch(ctx)
			if err == nil {
				err = w.follow(ctx, e, path, opts, yield)
			}
			switch {
			case errors.Is(err, errStopped), ctx.Err() != nil:
				return
			case errors.Is(err, session.ErrExpired): // continue in the next epoch
			case err != nil:
				yield(nil, err)
				return
			}
		}
	}
}

// errStopped is returned when the consumer of Watch wants no more reports.
var errStopped = errors.New("stopped")

// watcher yields reports that differ from the last one.
type watcher struct {
	last    []byte
	yielded bool
}

func (w *watcher) show(rep *Report, yield func(*Report, error) bool) error {
	text, err := json.Marshal(rep)
	if err != nil {
		return err
	}
	if w.yielded && string(text) == string(w.last) {
		return nil
	}
	w.last, w.yielded = text, true
	if !yield(rep, nil) {
		return errStopped
	}
	return nil
}

// follow reads and yields in one epoch.
func (w *watcher) follow(ctx context.Context, e *session.Epoch, path string, opts Options, yield func(*Report, error) bool) error {
	if err := e.Sync(ctx, path); err != nil && !isRefusal(err) {
		return err
	}
	var watches []*session.Watch
	defer func() { closeWatches(watches) }()
	for {
		rep, next, err := readOrAwait(ctx, e, path, opts)
		closeWatches(watches) // only now: the server keeps a watch that both reads share
		watches = next
		if err == nil {
			err = w.untilChange(ctx, e, rep, opts, watches, yield)
		}
		if err == nil {
			err = backoff.Sleep(shortestPause+time.Duration(len(watches))*pausePerWatch, ctx, e.Context())
		}
		if err != nil {
			return err
		}
	}
}

// readOrAwait is read with watches. If there is no node at path, the report is nil, and
// the watch is for the creation of the node.
func readOrAwait(ctx context.Context, e *session.Epoch, path string, opts Options) (*Report, []*session.Watch, error) {
	for {
		rep, watches, err := read(ctx, e, path, opts, true)
		if !errors.Is(err, session.ErrNoNode) {
			return rep, watches, err
		}
		closeWatches(watches)
		_, exists, created, err := e.WatchExists(ctx, path)
		if err != nil || !exists {
			return nil, []*session.Watch{created}, err
		}
		created.Close()
	}
}

// untilChange yields the report, and again when sessions have changed, until a watch has
// fired.
func (w *watcher) untilChange(ctx context.Context, e *session.Epoch, rep *Report, opts Options, watches []*session.Watch, yield func(*Report, error) bool) error {
	wakeup := make(chan struct{}, 1)
	for _, c := range watches {
		c.Notify(wakeup)
	}
	var ask <-chan time.Time
	if opts.Sessions != nil && rep != nil {
		t := time.NewTicker(askSessions)
		defer t.Stop()
		ask = t.C
		rep.setSessions(opts.Sessions(ctx))
	}
	for {
		if err := w.show(rep, yield); err != nil {
			return err
		}
		select {
		case <-wakeup:
			return nil
		case <-ask:
			rep = rep.clone()
			rep.setSessions(opts.Sessions(ctx))
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-e.Context().Done():
			return context.Cause(e.Context())
		}
	}
}

// clone returns a copy whose participants and findings can be changed.
func (rep *Report) clone() *Report {
	c := *rep
	c.Recipes = make([]*Recipe, len(rep.Recipes))
	for i, r := range rep.Recipes {
		d := *r
		d.Owners, d.Waiters, d.Members = append([]Participant(nil), r.Owners...), append([]Participant(nil), r.Waiters...), append([]Participant(nil), r.Members...)
		c.Recipes[i] = &d
	}
	return &c
}
