package lock_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Locks in different layouts at one path exclude each other.
func TestLayoutsExcludeEachOther(t *testing.T) {
	s := zktest.Open(t).Session(t)
	curator := lock.New(s, path)
	kazoo := lock.New(s, path, lock.WithLayout(lock.Kazoo))
	l := take(t, curator.Lock)
	refused(t, "TryLock in layout Kazoo", kazoo.TryLock)
	mustUnlock(t, l)
	l = take(t, kazoo.Lock)
	refused(t, "TryLock in layout Curator", curator.TryLock)
	mustUnlock(t, l)
}

// The lock of go-zookeeper waits for readers, and readers wait for it.
func TestReadersWithGoZookeeperLock(t *testing.T) {
	target := zktest.Open(t)
	conn, _, err := zk.Connect(strings.Split(target.Hosts(), ","), 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := target.Session(t)
	m := lock.NewRW(s, path)
	theirs := zk.NewLock(conn, target.Root()+path, zk.WorldACL(zk.PermAll))
	reader := take(t, m.RLock)
	locked := make(chan error, 1)
	go func() { locked <- theirs.Lock() }()
	testkit.AwaitChildren(t, s, path, 2)
	select {
	case err := <-locked:
		t.Errorf("zk.Lock returned beside a reader: %v", err)
	default:
	}
	mustUnlock(t, reader)
	if err := testkit.Receive(t, locked); err != nil {
		t.Fatal(err)
	}
	refused(t, "TryRLock beside zk.Lock", m.TryRLock)
	if err := theirs.Unlock(); err != nil {
		t.Error(err)
	}
}
