//go:build ensemble

package tasks_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A thousand tasks, while masters, workers and the client are killed with SIGKILL and
// started again: each is finished once, as its client is told, and no two handlers of
// one task run in sessions that both live.
func TestKilled(t *testing.T) { newMassacre(t).run(t, false) }

// The same while the servers are killed, too, one after the other.
func TestKilledWithServers(t *testing.T) { newMassacre(t).run(t, true) }

// massacre is a pool whose processes are killed all the time.
type massacre struct {
	cluster *zktest.Cluster
	session *session.Session
	pool    *pool
	said    chan saying
	parts   map[string]*process

	ids      map[int]string // of the tasks, as the client was told
	outcomes map[int]string
	over     bool
	kills    map[string]int
}

// saying is a line of a process; an empty one is its end.
type saying struct {
	who  *process
	line string
}

// process plays a part.
type process struct {
	part, name string
	cmd        *exec.Cmd
	in         io.WriteCloser
	ready      bool // takes signals
	killed     bool
	dismissed  bool
}

func newMassacre(t *testing.T) *massacre {
	m := &massacre{
		cluster: zktest.Ensemble(t, 3), said: make(chan saying, 100), parts: make(map[string]*process),
		ids: make(map[int]string), outcomes: make(map[int]string), kills: make(map[string]int),
	}
	var err error
	if m.session, err = session.Connect(testkit.Soon(t), m.cluster.Connect()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.session.Close(context.Background()) })
	m.pool = texts(m.session)
	for _, p := range []string{runningPath, overlapPath} {
		if _, _, err := m.session.Create(testkit.Soon(t), p, nil); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, p := range m.parts {
			p.cmd.Process.Kill()
			p.cmd.Wait()
			p.in.Close()
		}
	})
	return m
}

func (m *massacre) start(t *testing.T, part, name string) {
	t.Helper()
	p := &process{part: part, name: name, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), partEnv+"="+part, nameEnv+"="+name, serversEnv+"="+m.cluster.Connect())
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		p.in, err = p.cmd.StdinPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	m.parts[name] = p
	go func() {
		for sc := bufio.NewScanner(out); sc.Scan(); {
			m.said <- saying{p, sc.Text()}
		}
		m.said <- saying{p, ""}
	}()
	var known strings.Builder
	if part == "client" {
		for i, id := range m.ids {
			fmt.Fprintln(&known, i, id)
		}
	}
	if _, err := io.WriteString(p.in, known.String()+"go\n"); err != nil {
		t.Fatal(err)
	}
}

// kill kills a process. It is started again when all that it had printed has been read.
func (m *massacre) kill(t *testing.T, name string) {
	p := m.parts[name]
	if p == nil || p.killed {
		return
	}
	p.killed = true
	m.kills[p.part]++
	if err := p.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
}

const (
	masterCount = 3
	workerCount = 5
	// How many of them are killed at most. Each is missed until its session has expired.
	masterKills = 3
	workerKills = 16
)

func (m *massacre) run(t *testing.T, servers bool) {
	for i := range masterCount {
		m.start(t, "master", fmt.Sprint("master", i))
	}
	for i := range workerCount {
		m.start(t, "worker", fmt.Sprint("worker", i))
	}
	began := time.Now()
	m.start(t, "client", "client")
	wounded := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(wounded)
		for servers && m.wound(t, stop) {
		}
	}()
	m.slaughter(t)
	d := time.Since(began)
	t.Logf("%d tasks in %.1f s, %.0f per second; killed: %v", orders, d.Seconds(), orders/d.Seconds(), m.kills)
	close(stop)
	<-wounded
	m.examine(t)
	m.dismiss(t, "worker")
	m.wantEmpty(t, "/assign", "/workers")
	m.dismiss(t, "master")
	m.wantEmpty(t, "-running", "-overlap")
	if err := lease.AwaitDeletion(testkit.Soon(t), m.epoch(t), path+"/master"); err != nil { // one may have been killed just now
		t.Error(err)
	}
	if m.kills["worker"] < 5 || m.kills["master"] < 1 || m.kills["client"] < 2 {
		t.Errorf("killed but %v", m.kills)
	}
}

// slaughter kills processes until the client says that it is over.
func (m *massacre) slaughter(t *testing.T) {
	t.Helper()
	pause := func() time.Duration { return 200*time.Millisecond + rand.N(time.Second) }
	next := time.NewTimer(pause())
	defer next.Stop()
	limit := time.After(4 * time.Minute)
	for !m.over {
		select {
		case s := <-m.said:
			m.hear(t, s)
		case <-next.C:
			switch n := m.kills["worker"]; {
			case m.kills["master"] < masterKills && n >= 4*m.kills["master"]+2:
				leader, _, err := m.session.Get(testkit.Soon(t), path+"/master")
				if err != nil && !errors.Is(err, session.ErrNoNode) {
					t.Fatal(err)
				}
				m.kill(t, string(leader))
			case n < workerKills:
				m.kill(t, fmt.Sprint("worker", rand.N(workerCount)))
			}
			next.Reset(pause())
		case <-limit:
			t.Fatalf("%d of %d are submitted, %d finished", len(m.ids), orders, len(m.outcomes))
		}
		if n := m.kills["client"]; n < 2 && (len(m.ids) > 300 && n == 0 || len(m.outcomes) > 600) {
			m.kill(t, "client")
		}
	}
}

// hear takes note of what a process has said.
func (m *massacre) hear(t *testing.T, s saying) {
	t.Helper()
	if s.line == "" {
		err := s.who.cmd.Wait()
		s.who.in.Close()
		switch {
		case s.who.killed:
			m.start(t, s.who.part, s.who.name)
		case err == nil && (s.who.dismissed || m.over && s.who.part == "client"):
			delete(m.parts, s.who.name)
		default:
			t.Fatalf("%s has ended: %v", s.who.name, err)
		}
		return
	}
	what, rest, _ := strings.Cut(s.line, " ")
	n, rest, _ := strings.Cut(rest, " ")
	i, err := strconv.Atoi(n)
	switch {
	case what == "ready":
		s.who.ready = true
	case what == "over":
		m.over = true
	case err == nil && what == "submitted":
		m.ids[i] = rest
	case err == nil && what == "finished":
		if before, twice := m.outcomes[i]; twice && before != rest {
			t.Errorf("task %d was finished with %q, and with %q", i, before, rest)
		}
		m.outcomes[i] = rest
	default:
		t.Errorf("%s says: %s", s.who.name, s.line)
	}
}

// wound kills a server and starts it again.
func (m *massacre) wound(t *testing.T, stop <-chan struct{}) bool {
	select {
	case <-stop:
		return false
	case <-time.After(3 * time.Second):
	}
	n := m.cluster.Server(rand.N(3))
	n.Kill()
	select {
	case <-stop:
	case <-time.After(time.Second):
	}
	if err := n.Start(testkit.Soon(t)); err != nil {
		t.Error(err)
		return false
	}
	t.Logf("server %d was killed and started", n.ID())
	return true
}

// examine looks at what has become of each task.
func (m *massacre) examine(t *testing.T) {
	t.Helper()
	list, err := m.pool.List(testkit.Soon(t))
	if err != nil {
		t.Fatal(err)
	}
	times := make(map[string]int) // each was submitted
	attempts := 0
	for _, in := range list {
		at := path + "/tasks/" + in.ID
		input := data(t, m.session, at)
		times[input]++
		attempts += in.Attempts
		i, err := strconv.Atoi(input)
		if err != nil {
			t.Fatal(err)
		}
		result, err := m.pool.Ticket(in.ID).Wait(testkit.Soon(t))
		var te *tasks.TaskError
		switch {
		case failing(i) != errors.As(err, &te), failing(i) && te.Message != fmt.Sprint("no to ", i),
			!failing(i) && (err != nil || result != input+"!"):
			t.Errorf("%s: %q is finished with %q, %v", in.ID, input, result, err)
		case te != nil:
			result = "failed: " + te.Message
		}
		if m.outcomes[i] != result {
			t.Errorf("%s: %q has %q, and its client was told %q", in.ID, input, result, m.outcomes[i])
		}
		// Each child was created once, and stayed as it was.
		task, _, err := m.session.Exists(testkit.Soon(t), at)
		status, _, serr := m.session.Exists(testkit.Soon(t), at+"/status")
		if err != nil || serr != nil || int(task.Cversion) != task.NumChildren || status.Version != 0 {
			t.Errorf("%s: %v, %v, children %+v, status %+v", in.ID, err, serr, task, status)
		}
	}
	for i := range orders {
		if times[strconv.Itoa(i)] == 0 || m.ids[i] == "" {
			t.Errorf("%d was submitted %d times, and its id is %q", i, times[strconv.Itoa(i)], m.ids[i])
		}
	}
	t.Logf("%d tasks, %d of them submitted again; %d attempts without an answer", len(list), len(list)-orders, attempts)
}

// dismiss tells all who play a part to stop, those on their way back, too.
func (m *massacre) dismiss(t *testing.T, part string) {
	t.Helper()
	for {
		left := 0
		for name, p := range m.parts {
			if p.part != part {
				continue
			}
			left++
			if p.ready && !p.killed && !p.dismissed {
				p.dismissed = true
				if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		if left == 0 {
			return
		}
		m.hear(t, <-m.said)
	}
}

func (m *massacre) epoch(t *testing.T) *session.Epoch {
	t.Helper()
	e, err := m.session.Epoch(testkit.Soon(t))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// wantEmpty waits until nothing is left below some nodes.
func (m *massacre) wantEmpty(t *testing.T, below ...string) {
	t.Helper()
	for _, name := range below {
		for {
			names, _, w, err := m.epoch(t).WatchChildren(testkit.Soon(t), path+name)
			if errors.Is(err, session.ErrExpired) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(names) == 0 {
				w.Close()
				break
			}
			select {
			case <-w.Fired():
			case <-testkit.Soon(t).Done():
				t.Fatalf("%s has %q", name, names)
			}
		}
	}
}
