package systems

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// FIFOQueue runs producers that create nodes queue_i and consumers that take the
// smallest. Some of them are the article's programs.
func FIFOQueue(t *testing.T, target *zktest.Target) {
	ctx := withinLimit(t)
	const path = "/fifo"
	open := func() *queue.Queue[string] {
		return queue.New(newClient(t, target).session, path, codec.Text(), queue.WithLayout(queue.CuratorSimple), queue.WithPrefix("queue_"))
	}
	producer, consumer := open(), open()
	foreign, root := newForeignClient(t, target), target.Root()+path

	// A consumer of an empty queue waits.
	popped := make(chan string, 1)
	go func() {
		v, err := consumer.Pop(ctx)
		if err != nil {
			t.Error(err)
		}
		popped <- v
	}()
	if id, err := producer.Push(ctx, "0"); err != nil || id != "queue_0000000000" {
		t.Fatalf("%s, %v", id, err)
	}
	if v := receive(t, "item", popped); v != "0" {
		t.Errorf("the first is %q", v)
	}

	// Programs of both kinds produce and consume.
	for i := range 6 {
		var err error
		if i%2 == 0 {
			_, err = producer.Push(ctx, fmt.Sprint(i))
		} else {
			_, err = foreign.Create(root+"/queue_", []byte(fmt.Sprint(i)), zk.FlagSequence, openACL)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 {
		var v string
		var err error
		if i >= 3 { // one after the other: consumers at the same time may skip each other's items
			v, err = takeSmallest(foreign, root)
		} else {
			v, err = consumer.Pop(ctx)
		}
		if err != nil || v != fmt.Sprint(i) {
			t.Errorf("item %d is %q, %v", i, v, err)
		}
	}
	if _, err := consumer.TryPop(ctx); !errors.Is(err, queue.ErrEmpty) {
		t.Errorf("an empty queue: %v", err)
	}
}

// takeSmallest consumes an item as the article's program does, after a sync.
func takeSmallest(conn *zk.Conn, root string) (string, error) {
	if _, err := conn.Sync(root); err != nil {
		return "", err
	}
	names, _, err := conn.Children(root)
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", errors.New("no item")
	}
	first := root + "/" + slices.Min(names)
	data, _, err := conn.Get(first)
	if err != nil {
		return "", err
	}
	return string(data), conn.Delete(first, -1)
}
