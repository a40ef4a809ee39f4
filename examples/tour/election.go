package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/session"
)

// replaceLeader kills the first leader of two candidates, while a third process
// observes.
func replaceLeader(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob", "cleo")
	if err != nil {
		return err
	}
	defer all.close()
	var running sync.WaitGroup
	defer running.Wait()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	leaders := make(chan *actor)
	for _, a := range all[:2] {
		running.Go(func() {
			if err := a.campaign(ctx, leaders); !errors.Is(err, session.ErrClosed) {
				stop(err)
			}
		})
	}
	running.Go(func() { all[2].observe(ctx) })

	first, err := receive(ctx, leaders)
	if err != nil {
		return err
	}
	if err := work(ctx, 300*time.Millisecond); err != nil {
		return err
	}
	first.kill()
	if _, err = receive(ctx, leaders); err != nil {
		return err
	}
	return work(ctx, 100*time.Millisecond)
}

// campaign leads until ctx ends, and sends the actor to leaders for each term.
func (a *actor) campaign(ctx context.Context, leaders chan<- *actor) error {
	e := election.New(a.Session, "/leader", election.WithID(a.name))
	return e.Run(ctx, func(ctx context.Context, t *election.Term) error {
		a.say("leads, token %d", t.Token())
		select {
		case leaders <- a:
			<-ctx.Done()
		case <-ctx.Done():
		}
		return context.Cause(ctx)
	})
}

func (a *actor) observe(ctx context.Context) {
	for l, err := range election.New(a.Session, "/leader").Observe(ctx) {
		switch {
		case err != nil:
		case l.Token == 0:
			a.say("observes no leader")
		default:
			a.say("observes that %s leads", l.ID)
		}
	}
}

// kill ends an actor without closing its ZooKeeper session.
func (a *actor) kill() {
	a.say("is killed; the servers keep its session for %v", a.Timeout())
	a.cut()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	a.Close(now)
}

func receive[T any](ctx context.Context, from <-chan T) (v T, err error) {
	select {
	case v = <-from:
		return v, nil
	case <-ctx.Done():
		return v, context.Cause(ctx)
	}
}
