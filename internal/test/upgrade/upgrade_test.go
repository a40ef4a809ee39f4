//go:build interop && unix

package upgrade

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/foreign"
	"github.com/zkrecipes/zkrecipes/session"
)

// older is the commit that this version must work beside.
const older = "ed2d860"

// versions are the commands zkr of both versions, built once.
var versions = sync.OnceValues(func() (map[string]string, error) {
	dir, err := os.MkdirTemp("", "upgrade")
	if err != nil {
		return nil, err
	}
	source, old, current := filepath.Join(dir, "source"), filepath.Join(dir, "zkr-old"), filepath.Join(dir, "zkr-new")
	script := `set -e
root=$(git rev-parse --show-toplevel)
mkdir "$1"
git -C "$root" archive "$4" | tar -x -C "$1"
(cd "$1" && go build -o "$2" ./cmd/zkr)
cd "$root" && go build -o "$3" ./cmd/zkr`
	if out, err := exec.Command("sh", "-c", script, "sh", source, old, current, older).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	return map[string]string{"old": old, "new": current}, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if v, err := versions(); err == nil {
		os.RemoveAll(filepath.Dir(v["old"]))
	}
	os.Exit(code)
}

// stage runs both versions on one ensemble.
type stage struct {
	*testing.T
	zkr     map[string]string
	connect string
}

// onServers runs a test on a real server and on one in this process.
func onServers(t *testing.T, test func(s *stage)) {
	zkr, err := versions()
	if err != nil {
		t.Fatal(err)
	}
	foreign.EachServer(t, func(t *testing.T, _ *session.Session, connect string) {
		test(&stage{t, zkr, connect})
	})
}

// bothWays runs a test with each version in the place of the first and of the second.
func bothWays(t *testing.T, test func(s *stage, first, second string)) {
	onServers(t, func(s *stage) {
		for _, order := range [][2]string{{"old", "new"}, {"new", "old"}} {
			s.Run(order[0]+" then "+order[1], func(t *testing.T) {
				test(&stage{t, s.zkr, s.connect}, order[0], order[1])
			})
		}
	})
}

// process is a running command.
type process struct {
	s    *stage
	cmd  *exec.Cmd
	out  output
	errs bytes.Buffer
	name string
}

// output is what a process has printed so far.
type output struct {
	mu      sync.Mutex
	data    []byte
	written chan struct{} // closed at the next write
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.data = append(o.data, p...)
	if o.written != nil {
		close(o.written)
		o.written = nil
	}
	return len(p), nil
}

func (o *output) read() (text string, written <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.written == nil {
		o.written = make(chan struct{})
	}
	return string(o.data), o.written
}

// patience is how long one command may take.
const patience = time.Minute

// start starts zkr of a version.
func (s *stage) start(version string, args ...string) *process {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	p := &process{s: s, cmd: exec.CommandContext(ctx, s.zkr[version], args...), name: version + " zkr " + strings.Join(args, " ")}
	p.cmd.Env = append(os.Environ(), "ZK_SERVERS="+s.connect)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errs
	if err := p.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		cancel()
		p.cmd.Wait()
	})
	return p
}

// await waits until the process has printed text.
func (p *process) await(text string) {
	p.s.Helper()
	timeout := time.After(patience)
	for {
		got, written := p.out.read()
		if strings.Contains(got, text) {
			return
		}
		select {
		case <-written:
		case <-timeout:
			p.s.Fatalf("%s: printed %q, not %q\n%s", p.name, got, text, p.errs.String())
		}
	}
}

// wait waits until the process has ended with code 0, and returns what it has printed.
func (p *process) wait() string {
	p.s.Helper()
	if err := p.cmd.Wait(); err != nil {
		p.s.Errorf("%s: %v\n%s", p.name, err, p.errs.String())
	}
	text, _ := p.out.read()
	return text
}

// stop ends the process with SIGTERM.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait()
}

func (s *stage) run(version string, args ...string) string {
	s.Helper()
	return s.start(version, args...).wait()
}

// crowd runs one command several times in each version, at the same time.
func (s *stage) crowd(n int, args ...string) {
	s.Helper()
	var all []*process
	for range n {
		for _, version := range []string{"old", "new"} {
			all = append(all, s.start(version, args...))
		}
	}
	for _, p := range all {
		p.wait()
	}
}

// A directory exists while an exclusive holder works, so mkdir fails beside another.
const exclusive = `mkdir "$0" && sleep 0.05 && rmdir "$0"`

func TestLocks(t *testing.T) {
	onServers(t, func(s *stage) {
		busy := filepath.Join(s.TempDir(), "busy")
		s.crowd(8, "lock", "/lock", "--", "sh", "-c", exclusive, busy)
	})
}

func TestReadersAndWriters(t *testing.T) {
	onServers(t, func(s *stage) {
		busy := filepath.Join(s.TempDir(), "busy")
		var all []*process
		for range 4 {
			for _, version := range []string{"old", "new"} {
				all = append(all,
					s.start(version, "lock", "-s", "/rw", "--", "sh", "-c", `! test -e "$0" && sleep 0.05 && ! test -e "$0"`, busy),
					s.start(version, "lock", "/rw", "--", "sh", "-c", exclusive, busy))
			}
		}
		for _, p := range all {
			p.wait()
		}
	})
}

func TestPermits(t *testing.T) {
	onServers(t, func(s *stage) {
		// Three holders cannot find both directories free.
		busy := filepath.Join(s.TempDir(), "busy")
		s.crowd(6, "lock", "-k", "2", "/permits", "--", "sh", "-c",
			`for i in 1 2; do if mkdir "$0$i" 2>/dev/null; then sleep 0.05; rmdir "$0$i"; exit 0; fi; done; exit 1`, busy)
	})
}

func TestElection(t *testing.T) {
	for _, flags := range [][]string{nil, {"--fixed"}} {
		t.Run(strings.Join(flags, ""), func(t *testing.T) {
			bothWays(t, func(s *stage, first, second string) {
				path := "/election-" + first
				elect := func(id string) []string {
					return append(append([]string{"elect", "--id", id}, flags...), path, "--", "sh", "-c", "echo "+id+" leads; exec sleep 60")
				}
				leader := s.start(first, elect("a")...)
				leader.await("a leads")
				observer := s.start(second, append(append([]string{"elect", "--observe"}, flags...), path)...)
				observer.await("a")
				next := s.start(second, elect("b")...)
				leader.stop()
				next.await("b leads")
				observer.await("b")
				observer.stop()
				next.stop()
			})
		})
	}
}

func TestQueueOrder(t *testing.T) {
	onServers(t, func(s *stage) {
		const n = 20
		turns := []string{"old", "new"}
		for i := range n {
			s.run(turns[i%2], "queue", "push", "/queue", fmt.Sprint(i))
		}
		var got []string
		for i := range n / 2 {
			got = append(got, strings.Fields(s.run(turns[(i+1)%2], "queue", "pop", "-n", "--count", "2", "/queue"))...)
		}
		for i, item := range got {
			if item != fmt.Sprint(i) {
				s.Fatalf("popped %v", got)
			}
		}
	})
}

func TestQueueWork(t *testing.T) {
	onServers(t, func(s *stage) {
		const n = 100
		var items []string
		for i := range n {
			items = append(items, fmt.Sprint(i))
		}
		s.run("old", append([]string{"queue", "push", "/work"}, items[:n/2]...)...)
		s.run("new", append([]string{"queue", "push", "/work"}, items[n/2:]...)...)
		// Appending a short line to a file is atomic.
		done := filepath.Join(s.TempDir(), "done")
		var workers []*process
		for _, version := range []string{"old", "new"} {
			workers = append(workers, s.start(version, "queue", "work", "--concurrency", "4", "/work", "--",
				"sh", "-c", `line=$(cat) && echo "$line" >>"$0" && echo worked`, done))
		}
		for _, w := range workers {
			w.await("worked") // both take part
		}
		waitFor(s, func() bool { return strings.TrimSpace(s.run("new", "queue", "len", "/work")) == "0" })
		for _, w := range workers {
			w.stop()
		}
		data, err := os.ReadFile(done)
		if err != nil {
			s.Fatal(err)
		}
		got := strings.Fields(string(data))
		slices.Sort(got)
		slices.Sort(items)
		if !slices.Equal(got, items) {
			s.Errorf("worked on %v", got)
		}
	})
}

// waitFor waits for what only asking can tell.
func waitFor(s *stage, ok func() bool) {
	s.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			s.Fatal("it does not happen")
		}
	}
}

func TestTasks(t *testing.T) {
	onServers(t, func(s *stage) {
		turns := []string{"old", "new"}
		for i := range 8 {
			master, worker, client := turns[i&1], turns[i>>1&1], turns[i>>2&1]
			path := fmt.Sprintf("/tasks%d", i)
			m := s.start(master, "task", "master", path)
			w := s.start(worker, "task", "work", "--id", "w", path, "--", "sh", "-c", `echo "done $(cat)"`)
			if got := s.run(client, "task", "submit", "--wait", path, "it"); strings.TrimSpace(got) != "done it" {
				s.Errorf("%s master, %s worker, %s client: %q", master, worker, client, got)
			}
			w.stop()
			m.stop()
		}
	})
}

// A master of another version takes over a pool with tasks that are assigned and tasks that wait.
func TestTasksChangeOfMaster(t *testing.T) {
	bothWays(t, func(s *stage, first, second string) {
		path := "/pool-" + first
		m := s.start(first, "task", "master", path)
		w := s.start(first, "task", "work", "--id", "w1", path, "--", "sh", "-c", `sleep 0.1; cat`)
		clients := make(map[string]*process)
		for i := range 10 {
			clients[fmt.Sprint(i)] = s.start(first, "task", "submit", "--wait", path, fmt.Sprint(i))
		}
		clients["0"].await("0")
		m2 := s.start(second, "task", "master", path)
		m.stop()
		w.stop()
		w2 := s.start(second, "task", "work", "--id", "w2", path, "--", "cat")
		for _, id := range slices.Sorted(maps.Keys(clients)) {
			if got := strings.TrimSpace(clients[id].wait()); got != id {
				s.Errorf("task %s: %q", id, got)
			}
		}
		w2.stop()
		m2.stop()
	})
}

func TestBarrier(t *testing.T) {
	onServers(t, func(s *stage) {
		s.crowd(2, "barrier", "enter", "-n", "4", "/barrier", "--", "true")
	})
}

func TestNumbers(t *testing.T) {
	onServers(t, func(s *stage) {
		turns := []string{"old", "new"}
		for i := range 6 {
			if got := strings.TrimSpace(s.run(turns[i%2], "name", "next", "/sequence")); got != fmt.Sprint(i+1) {
				s.Fatalf("number %d is %s", i+1, got)
			}
		}
	})
}

func TestViews(t *testing.T) {
	bothWays(t, func(s *stage, first, second string) {
		group, service, value := "/group-"+first, "web-"+first, "/value-"+first
		member := s.start(first, "member", "join", "--id", "m1", "--data", "here", group, "--", "sh", "-c", "echo joined; exec sleep 60")
		member.await("joined")
		instance := s.start(first, "service", "register", "--name", service, "--addr", "10.0.0.1:80", "--meta", "zone=a", "--", "sh", "-c", "echo registered; exec sleep 60")
		instance.await("registered")
		s.run(first, "config", "set", value, "text")
		for want, args := range map[string][]string{
			"m1":          {"member", "ls", group},
			"10.0.0.1:80": {"service", "ls", service},
			"text":        {"config", "get", value},
		} {
			if got := s.run(second, args...); !strings.Contains(got, want) {
				s.Errorf("%v of the other version: %q", args, got)
			}
		}
		member.stop()
		instance.stop()
	})
}
