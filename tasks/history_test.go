package tasks_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Masters, workers and clients run while sessions expire, are cut off, or are
// connected to a server that has lost its leader, and while the server restarts.
// Every task is done at least once, and never twice at the same time. It has one
// status, and all calls that wait for it return the same outcome.
func TestHistories(t *testing.T) {
	for seed := range faulttable.Seeds(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { trouble(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func trouble(t *testing.T, rng *rand.Rand) {
	srv := zktest.New(t, zktest.WithTick(500*time.Millisecond))
	options := []any{
		tasks.WithMaxAttempts(1000), tasks.WithConcurrency(2), tasks.WithRetention(1000, time.Hour),
		tasks.WithRetryAfter(func(int) time.Duration { return 200 * time.Millisecond }),
	}
	owners := make(map[string]*faulttable.Owners)
	done := make(map[string]int)
	var mu sync.Mutex
	of := func(id string) *faulttable.Owners {
		mu.Lock()
		defer mu.Unlock()
		if owners[id] == nil {
			owners[id] = &faulttable.Owners{}
		}
		return owners[id]
	}
	var sessions []*session.Session
	join := func() *session.Session {
		s := srv.Session(t, session.WithTimeout(4*time.Second))
		sessions = append(sessions, s)
		return s
	}
	var stops []func()
	for i := range 2 {
		stops = append(stops, leading(t, texts(join(), options...)), working(t, texts(join(), options...), fmt.Sprint("w", i), func(ctx context.Context, k task) (string, error) {
			running, end := context.WithCancel(context.Background())
			defer end()
			of(k.ID).Begin(fmt.Sprint("w", i), k.Token(), running)
			mu.Lock()
			d := time.Duration(rng.Int64N(int64(3 * time.Second)))
			unlucky := rng.IntN(5) == 0
			mu.Unlock()
			select {
			case <-time.After(d):
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
			if unlucky {
				return "", fmt.Errorf("bad luck")
			}
			mu.Lock()
			done[k.ID]++
			mu.Unlock()
			return k.Input + "!", nil
		}))
	}
	client := texts(join(), options...)
	finished := make(chan string)
	const n = 25
	go func() {
		for i := range n {
			k, err := client.Submit(t.Context(), fmt.Sprint(i))
			if err != nil {
				finished <- "" // lost sight of
				continue
			}
			go func() {
				if out, err := k.Wait(t.Context()); err != nil || out != fmt.Sprint(i)+"!" {
					t.Errorf("%s: %q, %v", k.ID(), out, err)
				}
				finished <- k.ID()
			}()
			time.Sleep(time.Second)
		}
	}()
	left := n
	for left > 0 {
		mu.Lock()
		pause, what, whose := time.Duration(rng.Int64N(int64(8*time.Second))), rng.IntN(10), rng.IntN(len(sessions))
		length := time.Duration(rng.Int64N(int64(12 * time.Second)))
		mu.Unlock()
		select {
		case id := <-finished:
			left--
			mu.Lock()
			if id != "" && done[id] == 0 {
				t.Errorf("nobody has done %s", id)
			}
			mu.Unlock()
			continue
		case <-time.After(pause):
		}
		id := sessions[whose].Status().ID
		switch {
		case what < 4:
			mu.Lock()
			for _, o := range owners {
				o.SessionExpired()
			}
			mu.Unlock()
			srv.Expire(id)
		case what < 7:
			heal := srv.Partition(id)
			time.AfterFunc(length, heal)
		case what < 9:
			heal := srv.Isolate(id)
			time.AfterFunc(length, heal)
		default:
			srv.Stop()
			time.Sleep(length / 12)
			if err := srv.Restart(); err != nil {
				t.Fatal(err)
			}
		}
	}
	time.Sleep(30 * time.Second)
	for _, stop := range stops {
		stop()
	}
	time.Sleep(20 * time.Second) // the background work has ended by then
	for id, o := range owners {
		o.Check(t)
		if t.Failed() {
			t.Fatalf("at %s", id)
		}
	}
	for line := range strings.Lines(srv.Tree()) {
		if strings.HasPrefix(line, path+"/assign/w") || strings.HasPrefix(line, path+"/workers/") || strings.HasPrefix(line, path+"/master") {
			t.Errorf("left: %s", line)
		}
	}
	if s, n := strings.Count(srv.Tree(), "/status "), strings.Count(srv.Tree(), `/status v0 "done"`); s != n {
		t.Errorf("%d statuses, of which %d are done", s, n)
	}
}
