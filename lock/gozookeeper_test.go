package lock_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The lock of go-zookeeper and ours exclude each other, in both layouts.
func TestWithGoZookeeperLock(t *testing.T) {
	for _, naming := range []lock.Layout{lock.Curator, lock.Kazoo} {
		t.Run(fmt.Sprint(naming), func(t *testing.T) {
			target := zktest.Open(t)
			conn, _, err := zk.Connect(strings.Split(target.Hosts(), ","), 10*time.Second, zk.WithLogInfo(false))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			s := target.Session(t)
			var inside sync.Mutex
			var all sync.WaitGroup
			critical := func(who string) {
				if !inside.TryLock() {
					t.Errorf("%s acquired the lock while it was held", who)
					return
				}
				runtime.Gosched()
				inside.Unlock()
			}
			for range 3 {
				all.Go(func() {
					for range 5 {
						l := mustLock(t, lock.New(s, path, lock.WithLayout(naming)))
						critical("ours")
						mustUnlock(t, l)
					}
				})
				all.Go(func() {
					theirs := zk.NewLock(conn, target.Root()+path, zk.WorldACL(zk.PermAll))
					for range 5 {
						if err := theirs.Lock(); err != nil {
							t.Error(err)
							return
						}
						critical("go-zookeeper")
						if err := theirs.Unlock(); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
		})
	}
}
