package election_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const path = "/app/election"

// form is one of the two forms of an election.
type form struct {
	name string
	opts []election.Option
}

var forms = []form{
	{name: "line"},
	{name: "fixed", opts: []election.Option{election.WithFixedNode("master")}},
}

func eachForm(t *testing.T, test func(*testing.T, form)) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) { test(t, f) })
	}
}

func (f form) election(s *session.Session, id string, opts ...election.Option) *election.Election {
	return f.at(s, path, id, opts...)
}

func (f form) at(s *session.Session, path, id string, opts ...election.Option) *election.Election {
	return election.New(s, path, append(append([]election.Option{election.WithID(id)}, f.opts...), opts...)...)
}

// client is a session that counts the reads by which its candidates watch the fixed node:
// exists while they wait, and the first getData after they have created it.
type client struct {
	*session.Session
	mu      sync.Mutex
	created bool // and not read since
	reads   int
}

type connector interface {
	Session(testing.TB, ...session.Option) *session.Session
}

func connect(t testing.TB, to connector, opts ...session.Option) *client {
	c := &client{}
	c.Session = to.Session(t, append(opts, session.WithHooks(session.Hooks{Request: func(r session.RequestInfo) {
		if !strings.HasSuffix(r.Path, path+"/master") || r.Received == 0 {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case strings.HasPrefix(r.Op, "create") && r.Err == nil:
			c.created = true
		case r.Op == "exists":
			c.reads++
		case r.Op == "getData" && c.created:
			c.reads++
			c.created = false
		}
	}}))...)
	return c
}

func (c *client) looked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reads
}

// contend waits until n undisturbed candidates of cs contend: in a line each has a
// node in it, and of a fixed node each has read it once.
func (f form) contend(t testing.TB, n int, cs ...*client) {
	t.Helper()
	for {
		got := 0
		if f.name == "line" {
			got = len(testkit.Children(t, cs[0].Session, path))
		} else {
			for _, c := range cs {
				got += c.looked()
			}
		}
		if got == n {
			return
		}
		if err := cs[0].Sync(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
	}
}

func campaign(t testing.TB, e *election.Election) *election.Term {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Limit)
	defer cancel()
	term, err := e.Campaign(ctx)
	if err != nil {
		t.Error(err)
		panic(err) // not FailNow, since it is also called in other goroutines
	}
	return term
}

// campaigning campaigns in the background.
func campaigning(t testing.TB, e *election.Election) <-chan *election.Term {
	won := make(chan *election.Term, 1)
	go func() { won <- campaign(t, e) }()
	return won
}

func resign(t testing.TB, term *election.Term) {
	t.Helper()
	if err := term.Resign(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// leader returns the leader, as the ensemble's leader knows it.
func leader(t testing.TB, s *session.Session, e *election.Election) (election.Leader, error) {
	t.Helper()
	if err := s.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	return e.Leader(t.Context())
}

// nothingLeft checks that there is no candidate and no watch. An election that has
// just lost a term may still watch its node, so nothingLeft waits for the watches.
func nothingLeft(t testing.TB, target *zktest.Target, sessions ...*session.Session) {
	t.Helper()
	testkit.Sync(t, sessions...)
	testkit.Sync(t, sessions...)
	poll, timeout := time.NewTicker(10*time.Millisecond), time.After(time.Minute)
	defer poll.Stop()
	for n := target.WatchesLeft(t); n != 0; n = target.WatchesLeft(t) {
		select {
		case <-poll.C:
		case <-timeout:
			t.Fatalf("%d watches are left", n)
		}
	}
	testkit.NothingLeft(t, target, sessions...)
}
