package lock_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
)

// Readers share the lock, and a writer holds it alone.
func ExampleRWMutex() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	index := lock.NewRW(s, "/app/index")

	err := index.RDo(ctx, func(ctx context.Context, l *lock.Lease) error {
		return index.RDo(ctx, func(ctx context.Context, l *lock.Lease) error {
			_, err := index.TryLock(ctx)
			fmt.Println("two readers hold it, a writer would have to wait:", errors.Is(err, lock.ErrLocked))
			return nil
		})
	})
	if err != nil {
		log.Fatal(err)
	}
	err = index.Do(ctx, func(ctx context.Context, l *lock.Lease) error {
		_, err := index.TryRLock(ctx)
		fmt.Println("a writer holds it, a reader would have to wait:", errors.Is(err, lock.ErrLocked))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// two readers hold it, a writer would have to wait: true
	// a writer holds it, a reader would have to wait: true
}

// A writer can become a reader, and other readers can share the lock, before another
// writer acquires it.
func ExampleLease_Downgrade() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	index := lock.NewRW(s, "/app/index")

	w, err := index.Lock(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("rebuilding the index")
	r, err := w.Downgrade(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Unlock(ctx)
	other, err := index.TryRLock(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer other.Unlock(ctx)
	fmt.Println("reading it with other readers:", r.Err() == nil && other.Err() == nil)
	// Output:
	// rebuilding the index
	// reading it with other readers: true
}

// A semaphore limits the permits that all processes hold together. A caller that needs
// several permits acquires all of them at once.
func ExampleSemaphore() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	licenses := lock.NewSemaphore(s, "/app/licenses", 5)

	l, err := licenses.AcquireN(ctx, 3)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Unlock(ctx)
	free, err := licenses.Remaining(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(free, "of 5 are free")

	_, err = licenses.TryAcquireN(ctx, 4)
	fmt.Println("four more:", err)
	_, err = lock.NewSemaphore(s, "/app/licenses", 6).Acquire(ctx)
	fmt.Println("a caller that expects six permits:", errors.Is(err, lock.ErrLimit))
	// Output:
	// 2 of 5 are free
	// four more: lock: not enough permits are free: want 4, 3 of 5 are taken
	// a caller that expects six permits: true
}

// Two calls that lock the same accounts in a different order cannot deadlock, since Multi
// acquires the locks in the order of their paths.
func ExampleMulti() {
	s, done := connect()
	defer done()
	ctx := context.Background()

	transfer := func(from, to string) error {
		accounts := []string{"/bank/" + from, "/bank/" + to}
		return lock.NewMulti(s, accounts).Do(ctx, func(ctx context.Context, l *lock.MultiLease) error {
			fmt.Println("from", from, "to", to)
			return nil
		})
	}
	results := make(chan error)
	go func() { results <- transfer("ann", "bob") }()
	if err := <-results; err != nil {
		log.Fatal(err)
	}
	go func() { results <- transfer("bob", "ann") }()
	if err := <-results; err != nil {
		log.Fatal(err)
	}
	// Output:
	// from ann to bob
	// from bob to ann
}

// A long-running holder releases the lock when another client asks for it.
func ExampleMutex_Revoke() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	disk := lock.New(s, "/app/disk")

	finished := make(chan error)
	started := make(chan struct{})
	go func() {
		finished <- disk.Do(ctx, func(ctx context.Context, l *lock.Lease) error {
			close(started)
			select {
			case <-l.Revoked():
				fmt.Println("asked to release the lock")
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}()
	<-started
	if err := disk.Revoke(ctx); err != nil {
		log.Fatal(err)
	}
	if err := <-finished; err != nil {
		log.Fatal(err)
	}
	// Output:
	// asked to release the lock
}

// Positions reports the position in the line while the caller waits.
func ExamplePlace() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	printer := lock.New(s, "/office/printer")

	first, err := printer.Lock(ctx)
	if err != nil {
		log.Fatal(err)
	}
	place, err := printer.Enter(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer place.Leave(ctx) // does nothing after a successful Lock

	for ahead, err := range place.Positions(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ahead, "ahead")
		if ahead == 0 {
			break
		}
		first.Unlock(ctx)
	}
	l, err := place.Lock(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Unlock(ctx)
	fmt.Println("printing")
	// Output:
	// 1 ahead
	// 0 ahead
	// printing
}

// The guards of a lease check all of its permits.
func ExampleLease_Guards() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	if _, _, err := s.Create(ctx, "/app/data", nil, session.Parents()); err != nil {
		log.Fatal(err)
	}
	l, err := lock.NewSemaphore(s, "/app/permits", 4).AcquireN(ctx, 2)
	if err != nil {
		log.Fatal(err)
	}
	write := session.OpSet("/app/data", []byte("x"), session.AnyVersion)
	_, err = s.Txn(ctx, append(l.Guards(), write)...)
	fmt.Println("with permits:", err)
	l.Unlock(ctx)
	_, err = s.Txn(ctx, append(l.Guards(), write)...)
	fmt.Println("without:", errors.Is(err, session.ErrNoNode))
	// Output:
	// with permits: <nil>
	// without: true
}

// A job that needs half of the memory takes half of the permits.
func ExampleSemaphore_DoN() {
	s, done := connect()
	defer done()
	ctx := context.Background()

	gigabytes := lock.NewSemaphore(s, "/app/memory", 8)
	err := gigabytes.DoN(ctx, 4, func(ctx context.Context, l *lock.Lease) error {
		free, err := gigabytes.Remaining(ctx)
		fmt.Println("free:", free)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// free: 4
}
