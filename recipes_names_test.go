package zkrecipes_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Naming: hierarchical names, each bound by one, and numbers of which nobody is given
// the same.
func TestNamesAndNumbers(t *testing.T) {
	t.Parallel()
	target := zktest.Open(t)
	ctx := short(t)
	var machines []*machine
	for range 3 {
		machines = append(machines, newMachine(t, target))
	}

	var wins, refusals int
	for _, m := range machines {
		switch err := naming.NewDirectory(m.Session, "/names").Bind(ctx, "services/mail/host", []byte("10.0.0.1")); {
		case err == nil:
			wins++
		case errors.Is(err, naming.ErrBound):
			refusals++
		default:
			t.Fatal(err)
		}
	}
	if wins != 1 || refusals != 2 {
		t.Errorf("%d have bound the name, %d were refused", wins, refusals)
	}
	names := naming.NewDirectory(machines[2].Session, "/names")
	if v, err := names.Lookup(ctx, "services/mail/host"); err != nil || string(v) != "10.0.0.1" {
		t.Errorf("the name is bound to %q, %v", v, err)
	}
	if es, err := names.List(ctx, "services"); err != nil || len(es) != 1 || es[0].Name != "mail" || es[0].Bound {
		t.Errorf("below services there is %v, %v", es, err)
	}

	for path, opts := range map[string][]naming.SequenceOption{
		"/numbers":  nil,
		"/names/id": {naming.WithSequentialNodes()}, // as the article gives them
	} {
		const each = 10
		var all sync.WaitGroup
		given := make(chan int64, each*len(machines))
		for _, m := range machines {
			all.Go(func() {
				q := naming.NewSequence(m.Session, path, opts...)
				for range each {
					n, err := q.Next(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					given <- n
				}
			})
		}
		all.Wait()
		close(given)
		var numbers []int64
		for n := range given {
			numbers = append(numbers, n)
		}
		slices.Sort(numbers)
		if len(numbers) != cap(given) || len(slices.Compact(numbers)) != cap(given) {
			t.Errorf("%s gave %v", path, numbers)
		}
	}
}

// Group membership: every member learns of joins and of deaths, and the one that has
// been there for longest is the master.
func TestGroupAndMaster(t *testing.T) {
	t.Parallel()
	target := zktest.Open(t)
	ctx := short(t)
	type member struct {
		*machine
		views chan membership.View
	}
	var members []*member
	join := func(id string) {
		m := &member{newMachine(t, target), make(chan membership.View, 1000)}
		g := membership.New(m.Session, "/GroupMembers")
		if _, err := g.Join(ctx, id, []byte("address of "+id)); err != nil {
			t.Fatal(err)
		}
		go func() {
			for v, err := range g.Watch(ctx) {
				if err != nil {
					return
				}
				m.views <- v
			}
		}()
		members = append(members, m)
	}
	// seen waits until all who live see who is there, and who is the master.
	seen := func(master string, ids ...string) {
		t.Helper()
		for _, m := range members {
			if m.wire.dead() {
				continue
			}
			for {
				v := await(t, "a view of the group", m.views)
				var got []string
				for _, one := range v.Members {
					got = append(got, one.ID)
				}
				if first, _ := v.First(); slices.Equal(got, ids) && first.ID == master {
					break
				}
			}
		}
	}
	join("c")
	join("a")
	join("b")
	seen("c", "a", "b", "c")

	members[0].wire.die()
	seen("a", "a", "b")

	join("c") // back again, and the last
	seen("a", "a", "b", "c")

	left, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := members[1].Close(left); err != nil {
		t.Fatal(err)
	}
	members = slices.Delete(members, 1, 2)
	seen("b", "b", "c")
}
