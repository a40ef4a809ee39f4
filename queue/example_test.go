package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

type Job struct {
	Name string
	Size int
}

func Example() {
	server, err := zktest.Start() // a ZooKeeper to try things with
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	ctx := context.Background()
	s, err := session.Connect(ctx, server.Addr()) // "zk1:2181,zk2:2181,zk3:2181"
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close(ctx)

	jobs := queue.New(s, "/app/jobs", codec.JSON[Job]())
	for _, j := range []Job{{"resize", 3}, {"rotate", 1}} {
		if _, err := jobs.Push(ctx, j); err != nil {
			log.Fatal(err)
		}
	}
	for range 2 {
		j, err := jobs.Pop(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(j.Name, j.Size)
	}
	// Output:
	// resize 3
	// rotate 1
}

// connect is for the examples below; the first one shows it in full.
func connect() (s *session.Session, done func()) {
	server, err := zktest.Start()
	if err != nil {
		log.Fatal(err)
	}
	s, err = session.Connect(context.Background(), server.Addr())
	if err != nil {
		log.Fatal(err)
	}
	return s, func() {
		s.Close(context.Background())
		server.Close()
	}
}

// Consume processes every item at least once. An item that fails is retried after a
// pause, and becomes a dead letter after its last attempt.
func ExampleQueue_Consume() {
	s, done := connect()
	defer done()
	ctx, cancel := context.WithCancel(context.Background())
	q := queue.New(s, "/app/mails", codec.Text())
	if _, err := q.PushAll(ctx, []string{"to ann", "to nobody", "to bob"}); err != nil {
		log.Fatal(err)
	}

	left := 2
	err := q.Consume(ctx, func(ctx context.Context, item *queue.Item[string]) error {
		if item.Value == "to nobody" {
			return errors.New("no such address")
		}
		fmt.Println("sent", item.Value)
		if left--; left == 0 {
			cancel()
		}
		return nil
	}, queue.WithMaxAttempts(1))
	fmt.Println(err)

	for letter, err := range q.DeadLetters(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", letter.Data, letter.Reason)
	}
	// Output:
	// sent to ann
	// sent to bob
	// <nil>
	// to nobody: no such address
}

// Claim leaves the item in the queue until it is acknowledged, or until the session
// that claimed it ends.
func ExampleQueue_Claim() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	q := queue.New(s, "/app/jobs", codec.Text())
	if _, err := q.Push(ctx, "paint the door"); err != nil {
		log.Fatal(err)
	}

	item, err := q.Claim(ctx)
	if err != nil {
		log.Fatal(err)
	}
	_, err = q.TryClaim(ctx)
	fmt.Println(err)
	if err := item.Nack(ctx); err != nil { // the paint is out
		log.Fatal(err)
	}

	item, err = q.Claim(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(item.Value, "in attempt", item.Attempt)
	if err := item.Ack(ctx); err != nil {
		log.Fatal(err)
	}
	n, err := q.Len(ctx)
	fmt.Println(n, err)
	// Output:
	// queue: empty
	// paint the door in attempt 2
	// 0 <nil>
}

// Items are delivered in the order of their priorities, the lowest number first,
// but not before they are due.
func ExampleQueue_Push() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	q := queue.New(s, "/app/todo", codec.Text())
	push := func(v string, opts ...queue.PushOption) {
		if _, err := q.Push(ctx, v, opts...); err != nil {
			log.Fatal(err)
		}
	}
	push("water the plants")
	push("answer the door", queue.WithPriority(-1))
	push("celebrate", queue.WithPriority(-2), queue.WithNotBefore(time.Now().Add(time.Hour)))

	for {
		v, err := q.TryPop(ctx)
		if err == queue.ErrEmpty {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(v)
	}
	// Output:
	// answer the door
	// water the plants
}

// A transaction of the item is carried out only while the item is claimed, so its
// effect happens once although the item may be delivered more than once.
func ExampleItem_Txn() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	q := queue.New(s, "/app/payments", codec.Text())
	if _, _, err := s.Create(ctx, "/app/balance", []byte("0"), session.Parents()); err != nil {
		log.Fatal(err)
	}
	if _, err := q.Push(ctx, "5"); err != nil {
		log.Fatal(err)
	}

	slow, err := q.Claim(ctx)
	if err != nil {
		log.Fatal(err)
	}
	slow.Nack(ctx) // or its session expires, while it works on
	quick, err := q.Claim(ctx)
	if err != nil {
		log.Fatal(err)
	}
	book := func(item *queue.Item[string]) error {
		_, err := item.Txn(ctx, session.OpSet("/app/balance", []byte(item.Value), session.AnyVersion))
		return err
	}
	fmt.Println("slow:", book(slow))
	fmt.Println("quick:", book(quick))
	// Output:
	// slow: queue: item already settled
	// quick: <nil>
}

// A queue in Curator's layout can be shared with Java programs.
func ExampleWithLayout() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	q := queue.New(s, "/app/queue", codec.Text(), queue.WithLayout(queue.Curator), queue.WithLockPath("/app/queue-locks"))
	id, err := q.Push(ctx, "hello")
	if err != nil {
		log.Fatal(err)
	}
	data, _, err := s.Get(ctx, "/app/queue/"+id)
	fmt.Printf("%s % x %v\n", id, data, err)
	_, err = q.Push(ctx, "urgent", queue.WithPriority(1))
	fmt.Println(errors.Is(err, queue.ErrUnsupported))
	// Output:
	// queue-0000000000 00 01 00 01 01 00 00 00 05 68 65 6c 6c 6f 02 <nil>
	// true
}
