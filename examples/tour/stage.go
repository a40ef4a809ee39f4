package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// stage is where a section plays.
type stage struct {
	servers string
	root    string
	start   time.Time
	out     *log.Logger
}

func newStage(servers, root string, out io.Writer) *stage {
	return &stage{servers, root, time.Now(), log.New(out, "", 0)}
}

// actor plays a process of its own: it has a session, and a cable to the servers
// that can be cut.
type actor struct {
	*session.Session
	*cable
	name  string
	stage *stage
}

// actors connects one for each name, with sessions as short as servers allow.
// The caller lets them leave.
func (st *stage) actors(ctx context.Context, names ...string) (cast, error) {
	var all cast
	for _, name := range names {
		a := &actor{cable: newCable(), name: name, stage: st}
		var err error
		a.Session, err = session.Connect(ctx, st.servers, session.WithTimeout(time.Second),
			session.WithChroot(st.root), session.WithDialer(a.dial))
		if err != nil {
			all.leave()
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// say prints what happens to an actor, and when.
func (a *actor) say(format string, args ...any) {
	a.stage.out.Printf("%6.2fs  %-5s %s", time.Since(a.stage.start).Seconds(), a.name, fmt.Sprintf(format, args...))
}

// work takes a while. It ends early with ctx.
func work(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// cast is everybody in a section.
type cast []*actor

func (c cast) leave() {
	for _, a := range c {
		a.reconnect()
		a.Close(context.Background())
	}
}
