package session_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func Example() {
	server, err := zktest.Start() // a ZooKeeper server in this process
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

	if _, _, err := s.Create(ctx, "/app/greeting", []byte("hello"), session.Parents()); err != nil {
		log.Fatal(err)
	}
	data, stat, err := s.Get(ctx, "/app/greeting")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, version %d\n", data, stat.Version)

	_, _, err = s.Get(ctx, "/app/farewell")
	fmt.Println(err, errors.Is(err, session.ErrNoNode))
	// Output:
	// hello, version 0
	// session: get /app/farewell: no such node true
}

// Connect fails when its context is done, or immediately if no retry can help. Once
// connected, the session reconnects by itself until it is closed.
func ExampleConnect() {
	server, err := zktest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := session.Connect(ctx, server.Addr()+"/teams/blue", // the parent of all paths of the session
		session.WithTimeout(15*time.Second),
		session.WithAuth("digest", []byte("blue:secret")),
		session.WithACL(session.CreatorACL()...), // of the nodes that the session creates
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Status().State, s.Timeout())
	if err := s.Close(ctx); err != nil {
		log.Fatal(err)
	}

	_, err = session.Connect(ctx, "zk1:2181/teams//red")
	fmt.Println(err)
	_, err = session.Connect(ctx, "zk1:2181", session.WithTimeout(-time.Second))
	fmt.Println(err)
	// Output:
	// connected 15s
	// session: connect zk1:2181/teams//red: invalid argument: path "/teams//red" has an empty element
	// session: connect zk1:2181: invalid argument: session timeout -1s
}

// A session reconnects by itself. Watch yields its statuses, for logs and health checks.
func ExampleSession_Watch() {
	server, err := zktest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	ctx := context.Background()
	s, err := session.Connect(ctx, server.Addr())
	if err != nil {
		log.Fatal(err)
	}

	for st := range s.Watch(ctx) {
		switch st.State {
		case session.Connected:
			fmt.Println("connected in epoch", st.Epoch)
			if st.Epoch == 1 {
				server.Expire(st.ID) // as the server does after the session timeout
			} else {
				go s.Close(ctx)
			}
		case session.Lost: // and with it everything that was owned in this epoch
			fmt.Println("epoch", st.Epoch, "is over; expired:", errors.Is(st.Err, session.ErrExpired))
		case session.Closed:
			fmt.Println("closed")
		}
	}
	// Output:
	// connected in epoch 1
	// epoch 1 is over; expired: true
	// connected in epoch 2
	// epoch 2 is over; expired: false
	// closed
}

// A transaction commits all of its operations or none. Versions make it depend on what
// was read before.
func ExampleSession_Txn() {
	server, err := zktest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	ctx := context.Background()
	s, err := session.Connect(ctx, server.Addr())
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close(ctx)

	made, err := s.Txn(ctx,
		session.OpCreate("/shop", nil),
		session.OpCreate("/shop/stock", []byte("3")),
		session.OpCreate("/shop/order-", []byte("1 piece"), session.Sequential()),
	)
	if err != nil {
		log.Fatal(err)
	}
	order := made[2].Path // with its sequence number

	_, stock, err := s.Get(ctx, "/shop/stock")
	if err != nil {
		log.Fatal(err)
	}
	take := func() error {
		_, err := s.Txn(ctx,
			session.OpSet("/shop/stock", []byte("2"), stock.Version),
			session.OpDelete(order, session.AnyVersion),
		)
		return err
	}
	fmt.Println(take())
	fmt.Println(take()) // the stock has changed
	fmt.Print(server.Tree())
	// Output:
	// <nil>
	// session: set /shop/stock: bad version
	// /shop v0 ""
	// /shop/stock v1 "2"
}

// Hooks measure a session without a dependency on a metrics library.
func ExampleWithHooks() {
	server, err := zktest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	var mu sync.Mutex
	requests := map[string]int{}
	hooks := session.Hooks{
		State: func(st session.Status) {
			if st.State == session.Connected {
				fmt.Println("connected in epoch", st.Epoch)
			}
		},
		Request: func(r session.RequestInfo) { // also has the duration, sizes and the error
			if strings.HasPrefix(r.Path, "/app") {
				mu.Lock()
				defer mu.Unlock()
				requests[r.Op]++
			}
		},
	}
	ctx := context.Background()
	s, err := session.Connect(ctx, server.Addr(), session.WithHooks(hooks))
	if err != nil {
		log.Fatal(err)
	}
	if _, _, err := s.Create(ctx, "/app", nil); err != nil {
		log.Fatal(err)
	}
	for range 3 {
		if _, _, err := s.Get(ctx, "/app"); err != nil {
			log.Fatal(err)
		}
	}
	if err := s.Close(ctx); err != nil { // no hook is called after it
		log.Fatal(err)
	}
	fmt.Println(requests)
	// Output:
	// connected in epoch 1
	// map[create2:1 getData:3]
}
