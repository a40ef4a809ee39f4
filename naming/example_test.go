package naming_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// connect opens a session on a separate server.
func connect(ctx context.Context) (s *session.Session, leave func()) {
	srv, err := zktest.Start()
	if err != nil {
		log.Fatal(err)
	}
	s, err = session.Connect(ctx, srv.Addr())
	if err != nil {
		log.Fatal(err)
	}
	return s, func() { s.Close(ctx); srv.Close() }
}

func ExampleSequence() {
	ctx := context.Background()
	s, leave := connect(ctx)
	defer leave()

	orders := naming.NewSequence(s, "/app/orders")
	for range 2 {
		n, err := orders.Next(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("order", n)
	}
	first, err := orders.Reserve(ctx, 100)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("a hundred more from", first)
	// Output:
	// order 1
	// order 2
	// a hundred more from 3
}

// A worker uses its number while a function runs.
func ExampleSlots_Do() {
	ctx := context.Background()
	s, leave := connect(ctx)
	defer leave()

	workers := naming.NewSlots(s, "/app/workers", 1024)
	err := workers.Do(ctx, func(ctx context.Context, slot *naming.Slot) error {
		fmt.Println("worker", slot.Number)
		return ctx.Err() // done when the number is lost
	})
	if err != nil {
		log.Fatal(err)
	}
	holders, err := workers.Holders(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("holders:", len(holders))
	// Output:
	// worker 0
	// holders: 0
}

func ExampleSlots() {
	ctx := context.Background()
	s, leave := connect(ctx)
	defer leave()

	workers := naming.NewSlots(s, "/app/workers", 1024)
	slot, err := workers.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("worker", slot.Number)
	// Stop using the number when slot.Context is done: another holder may get it then.
	select {
	case <-slot.Context().Done():
		fmt.Println("lost:", slot.Err())
	default:
		fmt.Println("at work")
	}
	if err := slot.Release(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// worker 0
	// at work
}

func ExampleDirectory() {
	ctx := context.Background()
	s, leave := connect(ctx)
	defer leave()

	names := naming.NewDirectory(s, "/app/names")
	if err := names.Bind(ctx, "hosts/db1", []byte("10.0.0.7:5432")); err != nil {
		log.Fatal(err)
	}
	if err := names.Link(ctx, "primary", "hosts/db1"); err != nil {
		log.Fatal(err)
	}
	addr, err := names.Lookup(ctx, "primary")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("primary is %s\n", addr)

	err = names.Bind(ctx, "hosts/db1", []byte("10.0.0.8:5432"))
	fmt.Println("bound already:", errors.Is(err, naming.ErrBound))
	// Output:
	// primary is 10.0.0.7:5432
	// bound already: true
}

// Ephemeral bindings form a small directory of live processes.
func ExampleDirectory_Watch() {
	ctx := context.Background()
	s, leave := connect(ctx)
	defer leave()

	names := naming.NewDirectory(s, "/app/names")
	if err := names.Bind(ctx, "services/mail", []byte("10.0.0.9:25"), naming.WithEphemeral()); err != nil {
		log.Fatal(err)
	}
	for entries, err := range names.Watch(ctx, "services") {
		if err != nil {
			log.Fatal(err)
		}
		for _, e := range entries {
			fmt.Printf("%s at %s\n", e.Name, e.Value)
		}
		if len(entries) == 0 {
			break
		}
		if err := names.Unbind(ctx, "services/mail"); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// mail at 10.0.0.9:25
}
