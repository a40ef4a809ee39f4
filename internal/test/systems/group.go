package systems

import (
	"context"
	"slices"
	"testing"

	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// GroupAndMaster runs a group in which every member learns of each join and each
// death, and whose master is the member that joined first.
func GroupAndMaster(t *testing.T, target *zktest.Target) {
	ctx := withinLimit(t)
	type member struct {
		client *client
		views  chan membership.Snapshot
	}
	var members []*member
	join := func(id string) {
		m := &member{newClient(t, target), make(chan membership.Snapshot, 1000)}
		g := membership.New(m.client.session, "/GroupMembers")
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
	// awaitViews waits until the view of every living member has these members and
	// this master.
	awaitViews := func(master string, ids ...string) {
		t.Helper()
		for _, m := range members {
			if m.client.network.wasCut() {
				continue
			}
			for {
				v := receive(t, "view of the group", m.views)
				var got []string
				for _, other := range v.Members {
					got = append(got, other.ID)
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
	awaitViews("c", "a", "b", "c")

	members[0].client.network.cut()
	awaitViews("a", "a", "b")

	join("c") // the same id again, now as the last to join
	awaitViews("a", "a", "b", "c")

	closing, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := members[1].client.session.Close(closing); err != nil {
		t.Fatal(err)
	}
	members = slices.Delete(members, 1, 2)
	awaitViews("b", "b", "c")
}
