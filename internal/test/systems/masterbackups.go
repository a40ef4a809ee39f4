package systems

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// MasterAndBackups runs masters that register in order, as master-00001 and
// master-00002. The first is master. When it dies, the second takes over. When the
// first is started again, it registers as master-00003 and stays backup.
func MasterAndBackups(t *testing.T, target *zktest.Target) {
	const path = "/masters"
	masters := newMasters(t)
	watcher := target.Session(t)
	ctx := withinLimit(t)
	start := func(host string) *client {
		c := newClient(t, target)
		go election.New(c.session, path, election.WithID(host)).Run(ctx, func(ctx context.Context, term *election.Term) error {
			masters.add(host, term)
			<-ctx.Done()
			return ctx.Err()
		})
		return c
	}
	awaitRegistered := func(want ...string) {
		t.Helper()
		for {
			got := registrations(t, watcher, path)
			if slices.Equal(got, want) {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("registered are %v, not %v", got, want)
			}
		}
	}
	observed := make(chan string, 100)
	go func() {
		for l, err := range election.New(watcher, path).Observe(ctx) {
			if err == nil {
				observed <- l.ID
			}
		}
	}()
	awaitMaster := func(want string) {
		t.Helper()
		masters.awaitNew(t, want)
		for receive(t, "observation of "+want, observed) != want { // there may be a vacancy before
		}
	}

	first := start("10.0.0.1")
	awaitMaster("10.0.0.1")
	awaitRegistered("master-00001 10.0.0.1")
	second := start("10.0.0.2")
	awaitRegistered("master-00001 10.0.0.1", "master-00002 10.0.0.2")

	first.network.cut()
	awaitMaster("10.0.0.2")
	awaitRegistered("master-00002 10.0.0.2")

	start("10.0.0.1")
	awaitRegistered("master-00002 10.0.0.2", "master-00003 10.0.0.1")
	if name, term := masters.current(); name != "10.0.0.2" || term.Verify(ctx) != nil {
		t.Errorf("the master is %q", name)
	}

	if err := second.session.Close(ctx); err != nil {
		t.Fatal(err)
	}
	awaitMaster("10.0.0.1")
	awaitRegistered("master-00003 10.0.0.1")
}

// registrations lists the candidates of an election in order, each with the sequence
// number of its node plus one, because ZooKeeper counts from zero.
func registrations(t *testing.T, s *session.Session, path string) []string {
	t.Helper()
	if err := s.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	names, _, err := s.Children(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, name := range names {
		data, _, err := s.Get(t.Context(), session.Join(path, name))
		if errors.Is(err, session.ErrNoNode) {
			continue // it was deleted after Children
		}
		n, numErr := strconv.Atoi(name[len(name)-10:])
		if err := errors.Join(err, numErr); err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("master-%05d %s", n+1, data))
	}
	slices.Sort(list)
	return list
}
