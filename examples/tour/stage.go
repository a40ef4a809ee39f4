package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// stage is the environment of a section.
type stage struct {
	servers string
	root    string
	start   time.Time
	out     *log.Logger
}

func newStage(servers, root string, out io.Writer) *stage {
	return &stage{servers, root, time.Now(), log.New(out, "", 0)}
}

// actor stands for a process: it has a session and a network connection that can be
// cut.
type actor struct {
	*session.Session
	*network
	name  string
	stage *stage
}

// actors connects one for each name, with sessions as short as servers allow. The
// caller closes them.
func (st *stage) actors(ctx context.Context, names ...string) (cast, error) {
	var all cast
	for _, name := range names {
		a := &actor{network: newNetwork(), name: name, stage: st}
		var err error
		a.Session, err = session.Connect(ctx, st.servers, session.WithTimeout(time.Second),
			session.WithChroot(st.root), session.WithDialer(a.dial))
		if err != nil {
			all.close()
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// say prints an event of an actor and its time.
func (a *actor) say(format string, args ...any) {
	a.stage.out.Printf("%6.2fs  %-5s %s", time.Since(a.stage.start).Seconds(), a.name, fmt.Sprintf(format, args...))
}

// work takes d, or ends early with ctx.
func work(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// next waits until ok returns true, which it calls after each change of what.
func next(ctx context.Context, what interface{ Changed() <-chan struct{} }, ok func() bool) error {
	for {
		changed := what.Changed()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// cast is the actors of a section.
type cast []*actor

func (c cast) close() {
	for _, a := range c {
		a.reconnect()
		a.Close(context.Background())
	}
}
