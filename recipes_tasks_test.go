//go:build interop

package zkrecipes_test

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// operator types commands into zkCli.sh.
type operator struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser

	mu      sync.Mutex
	unread  []byte
	printed chan struct{} // has something when there is more to read
}

func newOperator(t *testing.T, name, connect string) *operator {
	t.Helper()
	o := &operator{t: t, name: name, cmd: exec.Command("/usr/share/zookeeper/bin/zkCli.sh", "-server", connect), printed: make(chan struct{}, 1)}
	o.cmd.Stdout, o.cmd.Stderr = o, o
	var err error
	if o.in, err = o.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		o.in.Close() // of which it ends
		o.cmd.Wait()
	})
	return o
}

// Write takes what zkCli.sh prints.
func (o *operator) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unread = append(o.unread, p...)
	select {
	case o.printed <- struct{}{}:
	default:
	}
	return len(p), nil
}

// reads reads on to a line that matches.
func (o *operator) reads(pattern string) {
	o.t.Helper()
	re := regexp.MustCompile("(?m)^" + pattern + "$")
	limit := time.After(patience)
	for {
		o.mu.Lock()
		at := re.FindIndex(o.unread)
		if at != nil {
			o.unread = o.unread[at[1]:]
		}
		o.mu.Unlock()
		if at != nil {
			return
		}
		select {
		case <-o.printed:
		case <-limit:
			o.mu.Lock()
			defer o.mu.Unlock()
			o.t.Fatalf("%s reads no %q in:\n%s", o.name, pattern, o.unread)
		}
	}
}

// types types a command, and reads the answer.
func (o *operator) types(command, answer string) {
	o.t.Helper()
	if _, err := io.WriteString(o.in, command+"\n"); err != nil {
		o.t.Fatal(err)
	}
	o.reads(answer)
}

func (o *operator) hears(event, path string) {
	o.t.Helper()
	o.reads("WatchedEvent state:SyncConnected type:" + event + " path:" + path + "( zxid: -?[0-9]+)?")
}

// quits ends the session, and all that it owns.
func (o *operator) quits() {
	o.t.Helper()
	if _, err := io.WriteString(o.in, "quit\n"); err != nil {
		o.t.Fatal(err)
	}
	if err := o.cmd.Wait(); err != nil {
		o.t.Errorf("%s: %v", o.name, err)
	}
}

// textPool is the pool of the ZooKeeper book, at the root.
type textPool = tasks.Pool[string, string]

func bookPool(t *testing.T, c *zktest.Cluster, address string) (*session.Session, *textPool) {
	t.Helper()
	s, err := session.Connect(short(t), c.Connect())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s, tasks.New(s, "/", codec.Text(), codec.Text(), tasks.WithAddress(address), tasks.WithMaxAttempts(1))
}

// plays plays a part until stop is called.
func plays(t *testing.T, part func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- part(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := await(t, "the end of a part", done); !errors.Is(err, context.Canceled) {
			t.Errorf("a part has ended with %v", err)
		}
	}
}

// holds waits until a node holds some data.
func holds(t *testing.T, s *session.Session, path, want string) {
	t.Helper()
	e, err := s.Epoch(short(t))
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, w, err := e.WatchNode(short(t), path)
		if err == nil {
			var got []byte
			if got, _, err = s.Get(short(t), path); string(got) == want {
				w.Close()
				return
			}
		}
		if errors.Is(err, session.ErrNoNode) {
			_, exists, ew, err := e.WatchExists(short(t), path)
			if err != nil {
				t.Fatal(err)
			}
			if !exists {
				await(t, path, ew.Fired())
			} else {
				ew.Close()
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		await(t, path+" to be "+want, w.Fired())
	}
}

// childless waits until a node has no children.
func childless(t *testing.T, s *session.Session, path string) {
	t.Helper()
	e, err := s.Epoch(short(t))
	if err != nil {
		t.Fatal(err)
	}
	for {
		names, _, w, err := e.WatchChildren(short(t), path)
		if err != nil {
			t.Fatal(err)
		}
		if len(names) == 0 {
			w.Close()
			return
		}
		await(t, path+" without "+strings.Join(names, ", "), w.Fired())
	}
}

func ends(t *testing.T, k *tasks.Ticket[string], want string) {
	t.Helper()
	got, err := k.Wait(short(t))
	var failed *tasks.TaskError
	if errors.As(err, &failed) {
		got, err = "failed: "+failed.Message, nil
	}
	if err != nil || got != want {
		t.Errorf("%s ends with %q, %v, and not %q", k.ID(), got, err, want)
	}
}

// The masters, workers and clients of the ZooKeeper book: people play each part in
// zkCli.sh, as it is told there, while programs play the others.
func TestMasterWorkerClient(t *testing.T) {
	t.Parallel()
	c := zktest.Ensemble(t, 3)
	var operators []*operator
	for i, name := range []string{"the first master", "the second master", "the worker", "the client"} {
		operators = append(operators, newOperator(t, name, c.Server(i%3).Addr()))
	}
	first, second, worker, client := operators[0], operators[1], operators[2], operators[3]
	s, p := bookPool(t, c, "ours:1")
	submit := func(cmd string) *tasks.Ticket[string] {
		t.Helper()
		k, err := p.Submit(short(t), cmd)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	goOn := make(chan struct{})
	echo := func(ctx context.Context, task tasks.Task[string]) (string, error) {
		select {
		case <-goOn:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
		if task.Input == "fail" {
			return "", errors.New("no disk")
		}
		return task.Input + "!", nil
	}
	works := func(id string) (stop func()) {
		_, p := bookPool(t, c, id+":2224")
		return plays(t, func(ctx context.Context) error { return p.Work(ctx, id, echo) })
	}

	// Two who want to be master.
	first.types(`create -e /master "master1.example.com:2223"`, "Created /master")
	second.types(`create -e /master "master2.example.com:2223"`, "Node already exists: /master")
	second.types(`stat -w /master`, "numChildren = 0")
	first.quits()
	second.hears("NodeDeleted", "/master")
	second.types(`create -e /master "master2.example.com:2223"`, "Created /master")
	second.types(`create /workers ""`, "Created /workers")
	second.types(`create /tasks ""`, "Created /tasks")
	second.types(`create /assign ""`, "Created /assign")
	second.types(`ls -w /workers`, `\[\]`)
	second.types(`ls -w /tasks`, `\[\]`)

	// A person assigns what a program submits to a program.
	stopOurs := works("worker1.example.com")
	second.hears("NodeChildrenChanged", "/workers")
	second.types(`ls -w /workers`, `\[worker1.example.com\]`)
	second.types(`get /workers/worker1.example.com`, `worker1.example.com:2224`)
	holds(t, s, "/assign/worker1.example.com", "1")
	k := submit("cmd")
	second.hears("NodeChildrenChanged", "/tasks")
	second.types(`ls -w /tasks`, `\[task-0000000000\]`)
	second.types(`ls -w /tasks/task-0000000000`, `\[\]`)
	second.types(`create /assign/worker1.example.com/task-0000000000 ""`, "Created /assign/worker1.example.com/task-0000000000")
	goOn <- struct{}{}
	second.hears("NodeChildrenChanged", "/tasks/task-0000000000")
	second.types(`get /tasks/task-0000000000/status`, "done")
	ends(t, k, "cmd!")
	second.types(`ls /assign/worker1.example.com`, `\[\]`)
	failing := submit("fail")
	second.hears("NodeChildrenChanged", "/tasks")
	second.types(`create /assign/worker1.example.com/task-0000000001 ""`, "Created /assign/worker1.example.com/task-0000000001")
	goOn <- struct{}{}
	ends(t, failing, "failed: no disk")
	second.types(`get /tasks/task-0000000001/status`, "failed: no disk")
	stopOurs()

	// A program becomes master when the person goes, and gives a person work.
	_, candidate := bookPool(t, c, "ours:2")
	resign := plays(t, candidate.Master)
	k = submit("by hand")
	second.quits()
	holds(t, s, "/master", "ours:2")
	worker.types(`create -e /workers/worker2.example.com "worker2.example.com:2224"`, "Created /workers/worker2.example.com")
	// The master may have been faster. Whoever is second is told so.
	worker.types(`create /assign/worker2.example.com ""`, "(Created|Node already exists:) /assign/worker2.example.com")
	worker.types(`ls -w /assign/worker2.example.com`, `\[(task-0000000002)?\]`)
	holds(t, s, "/assign/worker2.example.com/task-0000000002", "")
	worker.types(`ls -w /assign/worker2.example.com`, `\[task-0000000002\]`)
	worker.types(`get /tasks/task-0000000002`, "by hand")
	next := submit("next") // which has to wait: a person does one thing at a time
	worker.types(`create /tasks/task-0000000002/status "done"`, "Created /tasks/task-0000000002/status")
	ends(t, k, "")
	holds(t, s, "/assign/worker2.example.com/task-0000000003", "")
	worker.types(`create /tasks/task-0000000003/status "failed: no paper"`, "Created /tasks/task-0000000003/status")
	ends(t, next, "failed: no paper")

	// Whom a person leaves without having done it, another does.
	k = submit("left")
	holds(t, s, "/assign/worker2.example.com/task-0000000004", "")
	worker.quits()
	stopOurs = works("worker3.example.com")
	goOn <- struct{}{}
	ends(t, k, "left!")

	// A person is the client of programs.
	client.types(`create -s /tasks/task- "cmd"`, "Created /tasks/task-0000000005")
	client.types(`ls -w /tasks/task-0000000005`, `\[\]`)
	goOn <- struct{}{}
	client.hears("NodeChildrenChanged", "/tasks/task-0000000005")
	client.types(`get /tasks/task-0000000005/status`, "done")
	client.types(`get /tasks/task-0000000005/result`, "cmd!")
	ends(t, p.Ticket("task-0000000005"), "cmd!")
	client.quits()

	// And when all have gone, nothing is left of them but what they have done.
	stopOurs()
	childless(t, s, "/assign")
	resign()
	childless(t, s, "/workers")
	if _, there, err := s.Exists(short(t), "/master"); there || err != nil {
		t.Errorf("there is a master: %v, %v", there, err)
	}
	list, err := p.List(short(t))
	if err != nil || len(list) != 6 {
		t.Errorf("%+v, %v", list, err)
	}
}
