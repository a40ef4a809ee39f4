package main

import (
	"context"
	"strings"
	"testing"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// On a terminal, each command that waits says what it waits for.
func TestWaitingOnTerminal(t *testing.T) {
	ctx := context.Background()
	for _, test := range []struct {
		name    string
		args    string
		prepare func(*session.Session) error
		want    string
	}{
		{"lock", "lock /app/lock -- true", func(s *session.Session) error {
			_, err := lock.New(s, "/app/lock", lock.WithID("web-3:4121")).Lock(ctx)
			return err
		}, `/app/lock, held by web-3:4121 for at most \d+s`},
		{"shared lock", "lock -s /app/lock -- true", func(s *session.Session) error {
			_, err := lock.NewRW(s, "/app/lock", lock.WithID("web-3:4121")).Lock(ctx)
			return err
		}, `/app/lock, held by web-3:4121 for at most \d+s`},
		{"permits", "lock -k 2 /app/gpu -- true", func(s *session.Session) error {
			for _, id := range []string{"a", "b"} {
				if _, err := lock.NewSemaphore(s, "/app/gpu", 2, lock.WithID(id)).Acquire(ctx); err != nil {
					return err
				}
			}
			return nil
		}, `a permit of /app/gpu, held by a and b`},
		{"elect", "elect /app/boss -- true", func(s *session.Session) error {
			_, err := election.New(s, "/app/boss", election.WithID("web-3")).Campaign(ctx)
			return err
		}, `/app/boss, led by web-3 for at most \d+s`},
		{"elect --fixed", "elect --fixed /app/master -- true", func(s *session.Session) error {
			_, err := election.New(s, "/app", election.WithID("web-3"), election.WithFixedNode("master")).Campaign(ctx)
			return err
		}, `/app/master, led by web-3 for at most \d+s`},
		{"barrier enter", "barrier enter -n 3 /app/start", nil, `/app/start; 1 of 3 have entered`},
		{"barrier wait", "barrier wait /gate", func(s *session.Session) error {
			_, _, err := s.Create(ctx, "/gate", nil)
			return err
		}, `/gate, raised for \d+s`},
		{"queue pop", "queue pop /jobs", nil, `an item of /jobs; the queue is empty`},
		{"queue work", "queue work /jobs -- true", func(s *session.Session) error {
			q := queue.New(s, "/jobs", codec.Text())
			if _, err := q.Push(ctx, "x"); err != nil {
				return err
			}
			_, err := q.Claim(ctx)
			return err
		}, `an item of /jobs; its item is claimed or not due yet`},
		{"task submit", "task submit --wait /pool x", nil, `task-0000000000 of /pool; there is no master`},
		{"task wait", "task wait /pool task-0000000000", func(s *session.Session) error {
			pool := tasks.New(s, "/pool", codec.Text(), codec.Text())
			if _, err := pool.Submit(ctx, "x"); err != nil {
				return err
			}
			_, err := election.New(s, "/pool", election.WithID("boss"), election.WithFixedNode("master")).Campaign(ctx)
			return err
		}, `task-0000000000 of /pool; there is no worker`},
		{"name slot", "name slot -n 1 /slots -- true", func(s *session.Session) error {
			_, err := naming.NewSlots(s, "/slots", 1, naming.WithID("web-3")).Acquire(ctx)
			return err
		}, `a number of /slots, held by web-3`},
		{"member join", "member join --id a /group -- true", func(s *session.Session) error {
			_, err := membership.New(s, "/group").Join(ctx, "a", nil)
			return err
		}, `the id a of /group, in use for \d+s`},
		{"config watch", "config watch /conf", nil, `/conf, which does not exist`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			srv := zktest.New(t)
			if test.prepare != nil {
				if err := test.prepare(srv.Session(t)); err != nil {
					t.Fatal(err)
				}
			}
			c, _ := onTerminal(t, srv.Addr(), "zkr", strings.Fields(test.args)...)
			c.expect(t, "^zkr: waiting for "+test.want+"$")
		})
	}
}

// A new holder is named, and with -q nothing is.
func TestNewHolderOnTerminal(t *testing.T) {
	t.Parallel()
	srv := zktest.New(t)
	s := srv.Session(t)
	first, err := lock.New(s, "/lock", lock.WithID("first")).Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := lock.New(s, "/lock", lock.WithID("second")).Enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, cmd := onTerminal(t, srv.Addr(), "zkr", "lock", "/lock", "--", "echo", "started")
	c.expect(t, `^zkr: waiting for /lock, held by first for at most \d+s$`)
	if err := first.Unlock(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.expect(t, `^zkr: waiting for /lock, held by second$`)
	if err := second.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.expect(t, "^started$")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}

	holder, err := lock.New(s, "/lock").Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Unlock(t.Context())
	c, _ = onTerminal(t, srv.Addr(), "sh", "-c", `zkr lock -q -w 1500ms /lock -- echo started; echo "code $?"`)
	if line := <-c.lines; line != "code 124" {
		t.Errorf("printed %q", line)
	}
}
