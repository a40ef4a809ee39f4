package lock_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func Example() {
	server, err := zktest.Start() // an in-process ZooKeeper server
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

	m := lock.New(s, "/app/lock")
	err = m.Do(ctx, func(ctx context.Context, l *lock.Lease) error {
		fmt.Println("the lock is held")
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// the lock is held
}

// connect starts a server and connects to it, as the first example does.
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

// The context that is passed to Lock bounds the wait. The lease has a separate
// context, which is done when the lock is no longer held.
func ExampleMutex_Lock() {
	s, done := connect()
	defer done()
	m := lock.New(s, "/app/lock", lock.WithID("worker 7"))

	wait, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l, err := m.Lock(wait)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Unlock(context.Background())

	work := func(ctx context.Context) error { return ctx.Err() }
	if err := work(l.Context()); err != nil { // stops when the lock is lost
		log.Fatal(context.Cause(l.Context()))
	}
	holders, err := m.Contenders(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("held by", holders[0].ID)

	l.Unlock(context.Background())
	fmt.Println(l.Err())
	// Output:
	// held by worker 7
	// lock: released
}

// Do cancels the function's context when the lock is lost, waits until the function
// has returned, and returns the loss as an error.
func ExampleMutex_Do() {
	s, done := connect()
	defer done()
	ctx := context.Background()

	err := lock.New(s, "/app/lock").Do(ctx, func(ctx context.Context, l *lock.Lease) error {
		s.Delete(ctx, l.Path(), session.AnyVersion) // an operator deletes the holder's node
		select {
		case <-ctx.Done():
			fmt.Println("stopped working:", context.Cause(ctx))
			return nil
		case <-time.After(time.Minute):
			return errors.New("the context was not canceled")
		}
	})
	fmt.Println("Do:", err)
	fmt.Println(errors.Is(err, lock.ErrLost))
	// Output:
	// stopped working: lock: ownership lost: session: no such node
	// Do: lock: ownership lost: session: no such node
	// true
}

// TryLock is for work that can be skipped while another process does it.
func ExampleMutex_TryLock() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	nightly := lock.New(s, "/app/nightly")

	cleanUp := func() {
		l, err := nightly.TryLock(ctx)
		switch {
		case errors.Is(err, lock.ErrLocked):
			fmt.Println("another process is cleaning up")
			return
		case err != nil:
			log.Fatal(err)
		}
		defer l.Unlock(ctx)
		fmt.Println("cleaning up")
	}

	l, err := nightly.Lock(ctx)
	if err != nil {
		log.Fatal(err)
	}
	cleanUp()
	if err := l.Unlock(ctx); err != nil {
		log.Fatal(err)
	}
	cleanUp()
	// Output:
	// another process is cleaning up
	// cleaning up
}

// store is a resource that a lock protects, for example a database. It remembers the
// highest token that it has seen.
type store struct {
	token session.Zxid
	value string
}

var errStale = errors.New("store: the lock has a later holder")

func (s *store) write(token session.Zxid, value string) error {
	if token < s.token {
		return errStale
	}
	s.token, s.value = token, value
	return nil
}

// A process can be suspended while it holds a lock, for longer than any timeout, and
// continue without knowing that another process has acquired the lock. Its writes then
// fail: the store refuses the old token, and ZooKeeper refuses the transaction.
func Example_fencing() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	m := lock.New(s, "/app/lock")
	if _, _, err := s.Create(ctx, "/app/data", nil, session.Parents()); err != nil {
		log.Fatal(err)
	}
	var db store

	slow, err := m.Lock(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("slow:", db.write(slow.Token(), "slow"))
	s.Delete(ctx, slow.Path(), session.AnyVersion) // as if its session had expired

	quick, err := m.Lock(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("quick:", db.write(quick.Token(), "quick"))
	fmt.Println("slow again:", db.write(slow.Token(), "slow"))

	// A write to ZooKeeper needs no comparison of tokens.
	write := func(l *lock.Lease, value string) error {
		_, err := l.Txn(ctx, session.OpSet("/app/data", []byte(value), session.AnyVersion))
		return err
	}
	fmt.Println("quick:", write(quick, "quick"))
	fmt.Println("slow again:", errors.Is(write(slow, "slow"), lock.ErrLost))
	// Output:
	// slow: <nil>
	// quick: <nil>
	// slow again: store: the lock has a later holder
	// quick: <nil>
	// slow again: true
}
