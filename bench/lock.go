package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Delay is how long the proxy of a Server delays data in each direction.
const Delay = 5 * time.Millisecond

// Server is a real server behind a proxy that delays all data.
type Server struct {
	ensemble *zktest.Cluster
	proxy    *zktest.Proxy
}

// StartServer starts a Server. It needs Java and ZooKeeper.
func StartServer(ctx context.Context) (*Server, error) {
	e, err := zktest.StartEnsemble(ctx, 1)
	if err != nil {
		return nil, err
	}
	p, err := zktest.NewProxy(e.Server(0).Addr())
	if err != nil {
		e.Close()
		return nil, err
	}
	p.Delay(Delay)
	return &Server{e, p}, nil
}

// Addr returns the address of the proxy.
func (s *Server) Addr() string { return s.proxy.Addr() }

// Close stops the proxy and the server.
func (s *Server) Close() error { return errors.Join(s.proxy.Close(), s.ensemble.Close()) }

// Locker is a lock of one client.
type Locker interface {
	Cycle() error // acquires and releases
	Close()
}

// Library opens the locks of a library.
type Library struct {
	Name string
	open func(ctx context.Context, addr, path string) (Locker, error)
}

// Libraries are compared with each other.
var Libraries = []Library{{"zkrecipes", openOurs}, {"zk.Lock", openTheirs}}

// Open opens the lock of each of n clients and creates the parents of its nodes.
func (l Library) Open(ctx context.Context, addr string, n int) (lockers []Locker, err error) {
	for range n {
		k, err := l.open(ctx, addr, "/bench/"+l.Name)
		if err != nil {
			Close(lockers)
			return nil, err
		}
		lockers = append(lockers, k)
	}
	if err := lockers[0].Cycle(); err != nil {
		Close(lockers)
		return nil, err
	}
	return lockers, nil
}

// Close closes all lockers.
func Close(lockers []Locker) {
	for _, l := range lockers {
		l.Close()
	}
}

type ours struct {
	session *session.Session
	mutex   *lock.Mutex
}

func openOurs(ctx context.Context, addr, path string) (Locker, error) {
	s, err := session.Connect(ctx, addr)
	if err != nil {
		return nil, err
	}
	return ours{s, lock.New(s, path)}, nil
}

func (o ours) Cycle() error {
	l, err := o.mutex.Lock(context.Background())
	if err != nil {
		return err
	}
	if l.Token() == 0 { // zk.Lock has none
		return errors.New("no token")
	}
	return l.Unlock(context.Background())
}

func (o ours) Close() { o.session.Close(context.Background()) }

type theirs struct {
	conn *zk.Conn
	lock *zk.Lock
}

func openTheirs(_ context.Context, addr, path string) (Locker, error) {
	conn, _, err := zk.Connect([]string{addr}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		return nil, err
	}
	return theirs{conn, zk.NewLock(conn, path, zk.WorldACL(zk.PermAll))}, nil
}

func (t theirs) Cycle() error {
	if err := t.lock.Lock(); err != nil {
		return err
	}
	return t.lock.Unlock()
}

func (t theirs) Close() { t.conn.Close() }

// Rate returns how many cycles per second the lockers make together in d.
func Rate(lockers []Locker, d time.Duration) (float64, error) {
	var done atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, len(lockers))
	start := time.Now()
	for i, l := range lockers {
		all.Go(func() {
			for time.Since(start) < d && errs[i] == nil {
				if errs[i] = l.Cycle(); errs[i] == nil {
					done.Add(1)
				}
			}
		})
	}
	all.Wait()
	return float64(done.Load()) / time.Since(start).Seconds(), errors.Join(errs...)
}

// Compare measures all libraries with n clients each, in turns, several times, and
// returns their rates: one list for each library.
func Compare(ctx context.Context, addr string, n, times int, d time.Duration) ([][]float64, error) {
	lockers := make([][]Locker, len(Libraries))
	for i, l := range Libraries {
		var err error
		if lockers[i], err = l.Open(ctx, addr, n); err != nil {
			return nil, err
		}
		defer Close(lockers[i])
	}
	rates := make([][]float64, len(Libraries))
	for range times {
		for i, l := range lockers {
			r, err := Rate(l, d)
			if err != nil {
				return nil, err
			}
			rates[i] = append(rates[i], r)
		}
	}
	return rates, nil
}
