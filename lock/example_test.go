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

	m := lock.New(s, "/app/lock")
	err = m.Do(ctx, func(ctx context.Context, l *lock.Lease) error {
		fmt.Println("nobody else is here")
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// nobody else is here
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

// The context that Lock is given bounds the wait. The lease has a context of its
// own, which ends when the lock is no longer held.
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

// Do ends the work's context when the lock is lost, waits for the work, and says
// whether the lock was held all the while.
func ExampleMutex_Do() {
	s, done := connect()
	defer done()
	ctx := context.Background()

	err := lock.New(s, "/app/lock").Do(ctx, func(ctx context.Context, l *lock.Lease) error {
		s.Delete(ctx, l.Path(), session.AnyVersion) // an operator takes the lock away
		select {
		case <-ctx.Done():
			fmt.Println("stopped working:", context.Cause(ctx))
			return nil
		case <-time.After(time.Minute):
			return errors.New("nobody has stopped me")
		}
	})
	fmt.Println("Do:", err)
	fmt.Println(errors.Is(err, lock.ErrLost))
	// Output:
	// stopped working: lock: ownership lost: session: no such node
	// Do: lock: ownership lost: session: no such node
	// true
}

// TryLock is for work that need not be done twice.
func ExampleMutex_TryLock() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	nightly := lock.New(s, "/app/nightly")

	cleanUp := func() {
		l, err := nightly.TryLock(ctx)
		switch {
		case errors.Is(err, lock.ErrLocked):
			fmt.Println("somebody is at it already")
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
	// somebody is at it already
	// cleaning up
}

// store is what a lock protects: a database, a file, a machine. It remembers the
// highest token that it has seen.
type store struct {
	token session.Zxid
	value string
}

var errStale = errors.New("store: somebody has held the lock since")

func (s *store) write(token session.Zxid, value string) error {
	if token < s.token {
		return errStale
	}
	s.token, s.value = token, value
	return nil
}

// A process may be stopped while it holds a lock, for longer than any timeout, and
// go on without knowing that somebody else has held the lock since. Then its token
// is too old for the store, and its guard for ZooKeeper.
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
	s.Delete(ctx, slow.Path(), session.AnyVersion) // the session expires, say

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
	// slow again: store: somebody has held the lock since
	// quick: <nil>
	// slow again: true
}
