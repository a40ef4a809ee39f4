package systems

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// SynchronizingQueue runs three processes, the last of which is the article's program.
// The first two wait until the third has arrived and /synchronizing/start exists.
func SynchronizingQueue(t *testing.T, target *zktest.Target) {
	ctx := withinLimit(t)
	const path, size = "/synchronizing", 3
	started := make(chan string, size)
	leave := make(chan bool)
	var results []chan error
	for i := range size - 1 {
		d := barrier.NewDouble(newClient(t, target).session, path, size, barrier.WithLayout(barrier.Synchronizing))
		result := make(chan error, 1)
		results = append(results, result)
		go func() {
			e, err := d.Enter(ctx)
			if err != nil {
				result <- err
				return
			}
			started <- fmt.Sprint("member ", i)
			<-leave
			result <- e.Leave(ctx)
		}()
	}
	foreign, root := newForeignClient(t, target), target.Root()+path
	members := func() (n int) {
		names, _, err := foreign.Children(root)
		if err != nil && !errors.Is(err, zk.ErrNoNode) {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasPrefix(name, "member_") {
				n++
			}
		}
		return n
	}
	for members() != size-1 {
		if err := ctx.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if exists, _, err := foreign.Exists(root + "/start"); err != nil || exists || len(started) > 0 {
		t.Errorf("they started before the last arrived: start exists: %v, %v", exists, err)
	}
	member, err := foreign.Create(root+"/member_", nil, zk.FlagEphemeral|zk.FlagSequence, openACL)
	if err != nil {
		t.Fatal(err)
	}
	if n := members(); n != size {
		t.Fatalf("%d members", n)
	}
	if _, err := foreign.Create(root+"/start", nil, zk.FlagEphemeral, openACL); err != nil {
		t.Fatal(err)
	}
	for range size - 1 {
		receive(t, "start", started)
	}
	close(leave)
	if err := foreign.Delete(member, -1); err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		if err := receive(t, "result of a member", result); err != nil {
			t.Error(err)
		}
	}
}
