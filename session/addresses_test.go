package session_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// names is a network for the default dialer. Host names have addresses, and a function per
// address makes its connections.
type names struct {
	mu      sync.Mutex
	hosts   map[string][]string
	addrs   map[string]session.DialFunc
	lookups int
	dialed  []string
}

func (n *names) option() session.Option { return session.WithNetwork(n.lookup, n.dial) }

func (n *names) lookup(_ context.Context, host string) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lookups++
	if ips := n.hosts[host]; ips != nil {
		return slices.Clone(ips), nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (n *names) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	n.dialed = append(n.dialed, addr)
	d := n.addrs[addr]
	n.mu.Unlock()
	if d == nil {
		return nil, errRefused
	}
	return d(ctx, network, addr)
}

// If an address accepts and then closes, or sends nothing, the session tries the other
// addresses of the same name.
func TestEachAddressOfAHostIsAServer(t *testing.T) {
	for name, behave := range map[string]func(int, *fakeConn){
		"closes": func(int, *fakeConn) {},
		"silent": func(_ int, c *fakeConn) { c.drain() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				bad := newFake(t, behave)
				n := &names{
					hosts: map[string][]string{"zk": {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.2"}},
					addrs: map[string]session.DialFunc{"10.0.0.1:2181": bad.DialContext, "10.0.0.2:2181": s.DialContext, "10.0.0.3:2181": bad.DialContext},
				}
				for range 20 {
					began := time.Now()
					z := openAt(t, "zk", n.option())
					if took := time.Since(began); took > timeout {
						t.Errorf("took %v", took)
					}
					if st := z.Status(); st.Server != "zk:2181 (10.0.0.2)" {
						t.Errorf("server %q", st.Server)
					}
					z.Close(t.Context())
				}
				if bad.Dials() == 0 {
					t.Error("the order is not random")
				}
			})
		})
	}
}

// Before the session pauses it tries each address once; after the pause it looks up the
// names again.
func TestCycleTriesEveryAddressOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{hosts: map[string][]string{"a": {"10.0.0.1", "10.0.0.2"}, "b": {"10.0.1.1", "fd00::1"}, "10.0.2.1": {"10.0.2.1"}}}
		all := []string{"10.0.0.1:1", "10.0.0.2:1", "10.0.1.1:2181", "10.0.2.1:2181", "[fd00::1]:2181"}
		_, err := session.Connect(testkit.Within(t, 950*time.Millisecond), "a:1,b,10.0.2.1", n.option(),
			session.WithBackoff(func(int) time.Duration { return 100 * time.Millisecond }))
		testkit.WantError(t, err, context.DeadlineExceeded)
		orders := make(map[string]bool)
		cycles := 0
		for cycle := range slices.Chunk(n.dialed, len(all)) {
			orders[strings.Join(cycle, " ")] = true
			slices.Sort(cycle)
			if cycles++; !slices.Equal(cycle, all) {
				t.Errorf("cycle %d: %q", cycles, cycle)
			}
		}
		if cycles != 10 || n.lookups != 3*cycles || len(orders) == 1 {
			t.Errorf("%d cycles with %d lookups in %d orders", cycles, n.lookups, len(orders))
		}
		for _, text := range []string{"a:1 (10.0.0.1): connection refused", "b:2181 (fd00::1): connection refused", "10.0.2.1:2181: connection refused"} {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%v\ndoes not say %q", err, text)
			}
		}
	})
}

// A session follows its servers to new addresses.
func TestAddressesAreLookedUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		n := &names{
			hosts: map[string][]string{"zk": {"10.0.0.1"}},
			addrs: map[string]session.DialFunc{"10.0.0.1:2181": s.DialContext},
		}
		z := openAt(t, "zk", n.option())
		id := z.Status().ID
		n.mu.Lock()
		n.hosts["zk"] = []string{"10.0.0.8", "10.0.0.9"}
		n.addrs = map[string]session.DialFunc{"10.0.0.9:2181": s.DialContext}
		n.mu.Unlock()
		cutAll(t, s)
		await(t, timeout, "connected at the new address", func() bool {
			st := z.Status()
			return st.State == session.Connected && st.ID == id && st.Server == "zk:2181 (10.0.0.9)"
		})
	})
}

// After a connection breaks, the other addresses are tried before the last one.
func TestReconnectTriesOtherAddressesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		n := &names{
			hosts: map[string][]string{"zk": {"10.0.0.1", "10.0.0.2"}},
			addrs: map[string]session.DialFunc{"10.0.0.1:2181": s.DialContext, "10.0.0.2:2181": s.DialContext},
		}
		z := openAt(t, "zk", n.option())
		for range 10 {
			was := z.Status().Server
			time.Sleep(timeout) // it was a good connection
			cutAll(t, s)
			await(t, timeout, "connected at the other address", func() bool {
				st := z.Status()
				return st.State == session.Connected && st.Server != was
			})
		}
	})
}

// TLS checks the name of the connect string, whatever address is dialed.
func TestTLSChecksTheNameNotTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cert, pool := certificate(t, "zk1")
		dial := encrypt(t, serve(t), cert)
		n := &names{
			hosts: map[string][]string{"zk1": {"10.0.0.1", "10.0.0.2"}},
			addrs: map[string]session.DialFunc{"10.0.0.1:2181": dial, "10.0.0.2:2181": dial},
		}
		z, err := session.Connect(testkit.Within(t, timeout), "zk1", n.option(), session.WithTLS(&tls.Config{RootCAs: pool}))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close(t.Context())
		testkit.Create(t, z, "/n", "data")
	})
}

// Connect retries if one host of several does not exist, however often that host is tried,
// and fails if none exists.
func TestConnectContinuesWhileOneHostExists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{hosts: map[string][]string{"c": {"10.0.0.1"}}}
		_, err := session.Connect(testkit.Within(t, time.Minute), "a,b,c", n.option())
		testkit.WantError(t, err, context.DeadlineExceeded)
		n = &names{}
		began := time.Now()
		_, err = session.Connect(testkit.Within(t, time.Minute), "a,b,c", n.option())
		if dns := (*net.DNSError)(nil); !errors.As(err, &dns) || time.Since(began) > time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// A ZooKeeper session that has ended locally is closed at any address that answers.
func TestOldSessionIsClosedAtAnyAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, zktest.WithTimeouts(timeout, time.Hour))
		n := &names{
			hosts: map[string][]string{"zk": {"10.0.0.1", "10.0.0.2", "10.0.0.3"}},
			addrs: map[string]session.DialFunc{"10.0.0.2:2181": s.DialContext},
		}
		z := openAt(t, "zk", n.option())
		e, id := epoch(t, z), z.Status().ID
		heal := s.Partition(id)
		testkit.AwaitDone(t, e.Context())
		heal()
		await(t, timeout, "old session closed", func() bool { return !slices.Contains(s.Sessions(), id) })
	})
}
