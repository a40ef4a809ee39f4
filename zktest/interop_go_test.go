//go:build interop

package zktest_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// TestGoZooKeeper runs a typical program: workers that share a counter protected by
// go-zookeeper's lock, and a client that watches the counter.
func TestGoZooKeeper(t *testing.T) {
	t.Parallel()
	real, own := grounds(t)
	for name, addr := range map[string]string{"real": real, "zktest": own} {
		t.Run(name, func(t *testing.T) { counting(t, addr) })
	}
}

func counting(t *testing.T, addr string) {
	dial := func() *zk.Conn {
		c, _, err := zk.Connect([]string{addr}, 30*time.Second, zk.WithLogger(quiet{}), zk.WithLogInfo(false))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	c := dial()
	if err := c.AddAuth("digest", []byte("joe:secret")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create("/counter", []byte("0"), 0, zk.AuthACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := dial().Get("/counter"); err != zk.ErrNoAuth {
		t.Errorf("a stranger may read: %v", err)
	}
	const workers, rounds = 4, 10
	var wg sync.WaitGroup
	for range workers {
		own := dial()
		own.AddAuth("digest", []byte("joe:secret"))
		wg.Go(func() {
			for range rounds {
				l := zk.NewLock(own, "/lock", zk.WorldACL(zk.PermAll))
				if err := l.Lock(); err != nil {
					t.Error(err)
					return
				}
				data, stat, err := own.Get("/counter")
				n, _ := strconv.Atoi(string(data))
				if err == nil {
					_, err = own.Multi(&zk.CheckVersionRequest{Path: "/counter", Version: stat.Version},
						&zk.SetDataRequest{Path: "/counter", Data: []byte(strconv.Itoa(n + 1)), Version: stat.Version})
				}
				if err != nil {
					t.Error(err)
				}
				l.Unlock()
			}
		})
	}
	for want := strconv.Itoa(workers * rounds); ; {
		data, _, events, err := c.GetW("/counter")
		if err != nil {
			t.Fatal(err)
		}
		if string(data) == want {
			break
		}
		<-events
	}
	wg.Wait()
	if _, stat, err := c.Get("/counter"); err != nil || stat.Version != workers*rounds {
		t.Errorf("%+v, %v", stat, err)
	}
}
