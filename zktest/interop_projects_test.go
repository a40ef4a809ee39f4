//go:build interop

package zktest_test

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// strangers is the folder of a module that requires the projects whose tests run in this
// file. The projects and their tests are unchanged.
const strangers = "testdata/strangers"

// TestGoKitDiscovery runs the integration tests of go-kit's service discovery.
func TestGoKitDiscovery(t *testing.T) {
	t.Parallel()
	passes(t, "TestGetEntriesOnServer", func() *exec.Cmd {
		s := zktest.New(t) // its tests need an empty server
		cmd := exec.Command("go", "test", "-v", "-count=1", "-timeout", "4m", "-tags", "integration", "github.com/go-kit/kit/sd/zk")
		cmd.Env = []string{"ZK_ADDR=" + s.Addr()}
		return cmd
	})
}

// threeServers matches the tests of go-zookeeper that need three servers.
const threeServers = "BasicCluster|ClientClusterFailover|NoQuorum|RecurringReAuthHang|DNSHostProviderReconnect|IncrementalReconfig|Reconfig"

// TestGoZooKeeperItself runs the integration tests of go-zookeeper that need one server.
// They start and kill it as they do with ZooKeeper.
func TestGoZooKeeperItself(t *testing.T) {
	t.Parallel() // it mostly waits
	bin := t.TempDir()
	output(t, "", "go", "build", "-o", filepath.Join(bin, "zkServer.sh"), "./testdata/zkserver")
	m := newMachine(t)
	passes(t, "TestIntegration_SetWatchers", func() *exec.Cmd {
		cmd := exec.Command("go", "test", "-v", "-count=1", "-timeout", "4m", "-run", "TestIntegration", "-skip", "_("+threeServers+")$", "github.com/go-zookeeper/zk")
		cmd.Env = []string{"ZOOKEEPER_BIN_PATH=" + bin, "ZKSERVER=" + m.addr}
		return cmd
	})
}

// passes runs the tests of a project, of which the one named certain must have run. Some of
// them wait for 50 ms or use a port that may be taken, so they have three attempts.
func passes(t *testing.T, certain string, command func() *exec.Cmd) {
	t.Helper()
	var out []byte
	for range 3 {
		cmd := command()
		cmd.Dir, cmd.Env = strangers, append(os.Environ(), cmd.Env...)
		var err error
		if out, err = cmd.CombinedOutput(); err == nil && strings.Contains(string(out), "--- PASS: "+certain+" ") {
			t.Logf("%d tests have passed", strings.Count(string(out), "\n--- PASS: "))
			return
		}
		t.Logf("%v\n%s", err, out)
	}
	t.Error("not one of three tries has passed")
}

// A machine runs servers for zkserver processes, one for each data directory. A server runs
// while its process does. It loses nothing when the process is killed.
type machine struct {
	t       *testing.T
	addr    string
	mu      sync.Mutex
	servers map[string]*machineServer
}

type machineServer struct {
	*zktest.Server
	running sync.Mutex // locked while a process runs it
}

func newMachine(t *testing.T) *machine {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, addr: l.Addr().String(), servers: make(map[string]*machineServer)}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				if err := m.run(c); err != nil {
					t.Error(err)
				}
			})
		}
	})
	return m
}

// run runs a server for the process at the other end of c.
func (m *machine) run(c net.Conn) error {
	var config map[string]string
	if err := json.NewDecoder(c).Decode(&config); err != nil {
		return nil // the process has ended
	}
	s, err := m.server(config)
	if err != nil {
		return err
	}
	s.running.Lock()
	defer s.running.Unlock()
	if err := s.Restart(); err != nil {
		return err
	}
	defer s.Stop()
	if err := json.NewEncoder(c).Encode(s.Addr()); err != nil {
		return err
	}
	io.Copy(io.Discard, c) // until the process has ended
	return nil
}

func (m *machine) server(config map[string]string) (*machineServer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir := config["dataDir"]
	if m.servers[dir] == nil {
		ms, err := strconv.Atoi(config["tickTime"])
		if err != nil {
			return nil, err
		}
		tick := time.Duration(ms) * time.Millisecond
		m.servers[dir] = &machineServer{Server: zktest.New(m.t, zktest.WithTick(tick), zktest.WithTimeouts(2*tick, 20*tick),
			zktest.WithSuperDigest(config["zookeeper.DigestAuthenticationProvider.superDigest"]))}
	}
	return m.servers[dir], nil
}
