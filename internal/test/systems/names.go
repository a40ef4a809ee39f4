package systems

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// NamesAndNumbers has three machines bind the same hierarchical name, which one of
// them can, and draw numbers, of which no two are the same.
func NamesAndNumbers(t *testing.T, target *zktest.Target) {
	ctx := withinLimit(t)
	var clients []*client
	for range 3 {
		clients = append(clients, newClient(t, target))
	}

	var wins, refusals int
	for _, c := range clients {
		switch err := naming.NewDirectory(c.session, "/names").Bind(ctx, "services/mail/host", []byte("10.0.0.1")); {
		case err == nil:
			wins++
		case errors.Is(err, naming.ErrBound):
			refusals++
		default:
			t.Fatal(err)
		}
	}
	if wins != 1 || refusals != 2 {
		t.Errorf("%d clients bound the name, %d were refused", wins, refusals)
	}
	names := naming.NewDirectory(clients[2].session, "/names")
	if v, err := names.Lookup(ctx, "services/mail/host"); err != nil || string(v) != "10.0.0.1" {
		t.Errorf("the name is bound to %q, %v", v, err)
	}
	if es, err := names.List(ctx, "services"); err != nil || len(es) != 1 || es[0].Name != "mail" || es[0].Bound {
		t.Errorf("below services there is %v, %v", es, err)
	}

	for path, opts := range map[string][]naming.SequenceOption{
		"/numbers":  nil,
		"/names/id": {naming.WithSequentialNodes()}, // as in the article
	} {
		const each = 10
		var all sync.WaitGroup
		drawn := make(chan int64, each*len(clients))
		for _, c := range clients {
			all.Go(func() {
				q := naming.NewSequence(c.session, path, opts...)
				for range each {
					n, err := q.Next(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					drawn <- n
				}
			})
		}
		all.Wait()
		close(drawn)
		var numbers []int64
		for n := range drawn {
			numbers = append(numbers, n)
		}
		slices.Sort(numbers)
		if len(numbers) != cap(drawn) || len(slices.Compact(numbers)) != cap(drawn) {
			t.Errorf("the numbers of %s are %v", path, numbers)
		}
	}
}
