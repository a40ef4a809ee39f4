package zkrecipes_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The recipes that the second article goes through, each as it is told there, and
// beside programs that know nothing but go-zookeeper.

// machine is a process with a network of its own.
type machine struct {
	*session.Session
	wire wire
}

func newMachine(t *testing.T, target *zktest.Target) *machine {
	t.Helper()
	m := &machine{}
	var err error
	m.Session, err = session.Connect(short(t), target.Connect(), session.WithTimeout(4*time.Second), session.WithDialer(m.wire.dial))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if m.wire.dead() {
			cancel()
		}
		if err := m.Close(ctx); err != nil && !m.wire.dead() {
			t.Error(err)
		}
	})
	return m
}

// short is a context for what does not take long.
func short(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// stranger is a program that knows nothing but go-zookeeper.
func stranger(t *testing.T, target *zktest.Target) *zk.Conn {
	t.Helper()
	conn, _, err := zk.Connect(strings.Split(target.Hosts(), ","), 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

var anybody = zk.WorldACL(zk.PermAll)

// Configuration: many machines watch one node, and apply what is in it whenever it
// changes. What cannot be applied leaves the last good one in force.
func TestConfigurationOfManyMachines(t *testing.T) {
	t.Parallel()
	target := zktest.Open(t)
	type settings struct{ Pool int }
	valid := codec.Checked(codec.JSON[settings](), func(s settings) error {
		if s.Pool <= 0 {
			return errors.New("no pool")
		}
		return nil
	})
	ctx := short(t)
	const path = "/configuration"
	admin := newMachine(t, target)
	if _, err := config.Put(ctx, admin.Session, path, valid, settings{1}, config.Absent); err != nil {
		t.Fatal(err)
	}
	applied := make([]chan settings, 3)
	var watching []*config.Value[settings]
	for i := range applied {
		applied[i] = make(chan settings, 100)
		v, err := config.Open(ctx, newMachine(t, target).Session, path, valid)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { v.Close() })
		watching = append(watching, v)
		go func() {
			for s, err := range v.Watch(ctx) {
				if err == nil {
					applied[i] <- s.Value
				}
			}
		}()
	}
	everywhere := func(want settings) {
		t.Helper()
		for _, c := range applied {
			for await(t, fmt.Sprint(want), c) != want { // versions in between may be skipped or not
			}
		}
	}
	everywhere(settings{1})
	if _, err := config.Put(ctx, admin.Session, path, valid, settings{2}, 0); err != nil {
		t.Fatal(err)
	}
	everywhere(settings{2})

	foreign := stranger(t, target)
	for _, data := range []string{"{}", `{"Pool":3}`} {
		if _, err := foreign.Set(target.Root()+path, []byte(data), -1); err != nil {
			t.Fatal(err)
		}
		for _, v := range watching {
			if n := v.Load().Pool; n < 2 {
				t.Errorf("a pool of %d is in force", n)
			}
		}
	}
	everywhere(settings{3})
}

// Exclusive lock: each process waits for the one before it, and nobody is let in by
// the death of one in the middle.
func TestExclusiveLock(t *testing.T) {
	t.Parallel()
	target := zktest.Open(t)
	ctx := short(t)
	const path = "/Locks"
	watcher := newMachine(t, target)
	inLine := func(n int) {
		t.Helper()
		for {
			cs, err := lock.New(watcher.Session, path).Contenders(ctx)
			if err != nil && !errors.Is(err, session.ErrNoNode) {
				t.Fatal(err)
			}
			if len(cs) == n {
				return
			}
		}
	}
	var inside atomic.Int32
	var machines []*machine
	entered, leave := make(chan int, 10), make(chan bool)
	for i := range 4 {
		m := newMachine(t, target)
		machines = append(machines, m)
		go func() {
			err := lock.New(m.Session, path).Do(ctx, func(ctx context.Context, l *lock.Lease) error {
				if inside.Add(1) != 1 {
					t.Errorf("%d is not alone", i)
				}
				defer inside.Add(-1)
				entered <- i
				select {
				case <-leave:
				case <-ctx.Done():
				}
				return nil
			})
			if err != nil && !m.wire.dead() {
				t.Error(err)
			}
		}()
		inLine(i + 1)
	}
	next := func(want int) {
		t.Helper()
		if got := await(t, "the next", entered); got != want {
			t.Errorf("%d has the lock, not %d", got, want)
		}
	}
	next(0)
	machines[1].wire.die()
	inLine(3)
	leave <- true
	next(2)
	machines[2].wire.die() // with the lock
	next(3)
	leave <- true
	inLine(0)
}

// Synchronising queue: who comes early waits for /synchronizing/start, which appears
// when all are there. One of them is a program of the article.
func TestSynchronizingQueue(t *testing.T) {
	t.Parallel()
	target := zktest.Open(t)
	ctx := short(t)
	const path, size = "/synchronizing", 3
	started := make(chan string, size)
	finish := make(chan bool)
	var done []chan error
	for i := range size - 1 {
		d := barrier.NewDouble(newMachine(t, target).Session, path, size, barrier.WithLayout(barrier.Synchronizing))
		end := make(chan error, 1)
		done = append(done, end)
		go func() {
			e, err := d.Enter(ctx)
			if err != nil {
				end <- err
				return
			}
			started <- fmt.Sprint("member ", i)
			<-finish
			end <- e.Leave(ctx)
		}()
	}
	foreign, root := stranger(t, target), target.Root()+path
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
		t.Errorf("they began before all were there: start %v, %v", exists, err)
	}
	own, err := foreign.Create(root+"/member_", nil, zk.FlagEphemeral|zk.FlagSequence, anybody)
	if err != nil {
		t.Fatal(err)
	}
	if n := members(); n != size {
		t.Fatalf("%d members", n)
	}
	if _, err := foreign.Create(root+"/start", nil, zk.FlagEphemeral, anybody); err != nil {
		t.Fatal(err)
	}
	for range size - 1 {
		await(t, "a start", started)
	}
	close(finish)
	if err := foreign.Delete(own, -1); err != nil {
		t.Fatal(err)
	}
	for _, end := range done {
		if err := await(t, "an end", end); err != nil {
			t.Error(err)
		}
	}
}

// FIFO queue: producers create queue_i, and consumers take the smallest.
func TestFIFOQueue(t *testing.T) {
	t.Parallel()
	target := zktest.Open(t)
	ctx := short(t)
	const path = "/fifo"
	open := func() *queue.Queue[string] {
		return queue.New(newMachine(t, target).Session, path, codec.Text(), queue.WithLayout(queue.CuratorSimple), queue.WithPrefix("queue_"))
	}
	producer, consumer := open(), open()
	foreign, root := stranger(t, target), target.Root()+path

	// Who comes before there is anything waits.
	early := make(chan string, 1)
	go func() {
		v, err := consumer.Pop(ctx)
		if err != nil {
			t.Error(err)
		}
		early <- v
	}()
	if id, err := producer.Push(ctx, "0"); err != nil || id != "queue_0000000000" {
		t.Fatalf("%s, %v", id, err)
	}
	if v := await(t, "an item", early); v != "0" {
		t.Errorf("the first is %q", v)
	}

	// Both sides produce, and both consume.
	for i := range 6 {
		var err error
		if i%2 == 0 {
			_, err = producer.Push(ctx, fmt.Sprint(i))
		} else {
			_, err = foreign.Create(root+"/queue_", []byte(fmt.Sprint(i)), zk.FlagSequence, anybody)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 {
		var v string
		var err error
		if i >= 3 { // two at a time might step aside for each other
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

// takeSmallest consumes as the article does, after its server has caught up with
// what others have consumed.
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
