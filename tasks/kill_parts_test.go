//go:build ensemble

package tasks_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
)

// These have this test's binary be a process that plays one part in a pool.
const (
	partEnv    = "ZKRECIPES_TASKS_PART" // master, worker or client
	nameEnv    = "ZKRECIPES_TASKS_NAME"
	serversEnv = "ZKRECIPES_TASKS_SERVERS"
)

func init() {
	if part := os.Getenv(partEnv); part != "" {
		if err := playPart(part, os.Getenv(nameEnv), os.Getenv(serversEnv)); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// playPart plays a part until it is told to stop, or nobody is left who could tell.
func playPart(part, name, servers string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Println("ready")
	s, err := session.Connect(ctx, servers, session.WithTimeout(shortTimeout))
	if err != nil {
		return err
	}
	defer s.Close(context.Background())
	p := texts(s, tasks.WithMaxAttempts(100), tasks.WithConcurrency(workerSlots), tasks.WithAddress(name),
		tasks.WithRetryAfter(func(int) time.Duration { return 50 * time.Millisecond }))
	in := bufio.NewScanner(os.Stdin)
	known := make(map[int]string)
	for in.Scan() && in.Text() != "go" {
		var i int
		var id string
		if _, err := fmt.Sscan(in.Text(), &i, &id); err != nil {
			return err
		}
		known[i] = id
	}
	go func() { // nor does it outlive the test
		io.Copy(io.Discard, os.Stdin)
		os.Exit(2)
	}()
	switch part {
	case "master":
		err = p.Master(ctx)
	case "worker":
		err = p.Work(ctx, name, func(ctx context.Context, t task) (string, error) { return alone(ctx, s, t) })
	case "client":
		return order(ctx, p, known)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

const (
	shortTimeout = 4 * time.Second
	workerSlots  = 4
	orders       = 1000
	runningPath  = path + "-running"
	overlapPath  = path + "-overlap"
)

// alone is the handler. It shows that it runs by a node of its own session, which
// must not be there: the handler of the same task would run in another that lives.
func alone(ctx context.Context, s *session.Session, t task) (string, error) {
	e, err := s.Epoch(ctx)
	if err == nil {
		err = context.Cause(ctx) // had the session been another, the claim would be lost
	}
	if err != nil {
		return "", err
	}
	running := session.Join(runningPath, t.ID)
	_, st, err := e.Create(ctx, running, fmt.Append(nil, t.Attempt), session.Ephemeral())
	if errors.Is(err, session.ErrNodeExists) {
		_, _, err = s.Create(ctx, overlapPath+"/overlap-", fmt.Appendf(nil, "attempt %d at %s", t.Attempt, t.ID), session.Sequential())
		return "", tasks.Permanent(fmt.Errorf("two at once (%w)", err))
	}
	if err != nil {
		return "", err
	}
	result, err := carryOut(ctx, t)
	for e.Err() == nil {
		_, derr := e.Txn(e.Context(), session.OpDelete(running, session.AnyVersion))
		if derr == nil || errors.Is(derr, session.ErrNoNode) {
			break
		}
	}
	if st.EphemeralOwner != e.ID() {
		return "", tasks.Permanent(errors.New("the node is another session's"))
	}
	return result, err
}

// carryOut takes a while. Some tasks fail, and some fail once.
func carryOut(ctx context.Context, t task) (string, error) {
	select {
	case <-time.After(20*time.Millisecond + rand.N(200*time.Millisecond)):
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	i, err := strconv.Atoi(t.Input)
	switch {
	case err != nil:
		return "", err
	case failing(i):
		return "", tasks.Permanent(fmt.Errorf("no to %d", i))
	case i%50 == 1 && t.Attempt == 1:
		return "", errors.New("not yet")
	}
	return t.Input + "!", nil
}

func failing(i int) bool { return i%50 == 0 }

// order submits those tasks that are not known to have been submitted, waits for
// all, and says so.
func order(ctx context.Context, p *pool, known map[int]string) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var first error
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		first = errors.Join(first, err)
	}
	atOnce := make(chan struct{}, 8)
	for i := range orders {
		all.Go(func() {
			k := p.Ticket(known[i])
			if known[i] == "" {
				atOnce <- struct{}{}
				var err error
				k, err = p.Submit(ctx, strconv.Itoa(i))
				<-atOnce
				if errors.Is(err, session.ErrUnknown) {
					k, err = p.Submit(ctx, strconv.Itoa(i)) // there may be two, then
				}
				if err != nil {
					fail(err)
					return
				}
				say("submitted %d %s", i, k.ID())
			}
			result, err := k.Wait(ctx)
			var te *tasks.TaskError
			switch {
			case errors.As(err, &te):
				result = "failed: " + te.Message
			case err != nil:
				fail(err)
				return
			}
			say("finished %d %s", i, strings.ReplaceAll(result, "\n", " "))
		})
	}
	all.Wait()
	if first == nil {
		say("over")
	}
	return first
}
