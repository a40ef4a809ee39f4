package systems

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// ExclusiveLock runs four processes, each of which waits for the one before it in the
// line. The death of a waiter lets no process in early; the death of the holder lets
// the next one in.
func ExclusiveLock(t *testing.T, target *zktest.Target) {
	ctx := withinLimit(t)
	const path = "/Locks"
	watcher := newClient(t, target)
	awaitContenders := func(n int) {
		t.Helper()
		for {
			cs, err := lock.New(watcher.session, path).Contenders(ctx)
			if err != nil && !errors.Is(err, session.ErrNoNode) {
				t.Fatal(err)
			}
			if len(cs) == n {
				return
			}
		}
	}
	var holders atomic.Int32
	var clients []*client
	acquired, release := make(chan int, 10), make(chan bool)
	for i := range 4 {
		c := newClient(t, target)
		clients = append(clients, c)
		go func() {
			err := lock.New(c.session, path).Do(ctx, func(ctx context.Context, l *lock.Lease) error {
				if holders.Add(1) != 1 {
					t.Errorf("%d is not the only holder", i)
				}
				defer holders.Add(-1)
				acquired <- i
				select {
				case <-release:
				case <-ctx.Done():
				}
				return nil
			})
			if err != nil && !c.network.wasCut() {
				t.Error(err)
			}
		}()
		awaitContenders(i + 1)
	}
	awaitHolder := func(want int) {
		t.Helper()
		if got := receive(t, "next holder", acquired); got != want {
			t.Errorf("%d has the lock, not %d", got, want)
		}
	}
	awaitHolder(0)
	clients[1].network.cut()
	awaitContenders(3)
	release <- true
	awaitHolder(2)
	clients[2].network.cut() // the holder
	awaitHolder(3)
	release <- true
	awaitContenders(0)
}
