package systems

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/client/channel"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// cliPath returns the path of zkCli.sh. It skips the test if there is none.
func cliPath(t *testing.T) string {
	t.Helper()
	for _, home := range []string{os.Getenv("ZOOKEEPER_HOME"), "/usr/share/zookeeper"} {
		path := filepath.Join(home, "bin", "zkCli.sh")
		if _, err := os.Stat(path); home != "" && err == nil {
			return path
		}
	}
	t.Skip("zkCli.sh is not installed")
	return ""
}

// operator is a person who types commands into zkCli.sh.
type operator struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser

	mu      sync.Mutex
	unread  []byte
	printed chan struct{} // has a value when there is more to read
}

func newOperator(t *testing.T, name, connect string) *operator {
	t.Helper()
	o := &operator{t: t, name: name, cmd: exec.Command(cliPath(t), "-server", connect), printed: make(chan struct{}, 1)}
	o.cmd.Stdout, o.cmd.Stderr = o, o
	var err error
	if o.stdin, err = o.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		o.stdin.Close() // ends zkCli.sh
		o.cmd.Wait()
	})
	return o
}

// Write receives the output of zkCli.sh.
func (o *operator) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unread = append(o.unread, p...)
	channel.Wake(o.printed)
	return len(p), nil
}

// expect reads the output up to a line that matches the pattern.
func (o *operator) expect(pattern string) {
	o.t.Helper()
	re := regexp.MustCompile("(?m)^" + pattern + "$")
	timeout := time.After(limit)
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
		case <-timeout:
			o.mu.Lock()
			defer o.mu.Unlock()
			o.t.Fatalf("%s: no line matches %q in:\n%s", o.name, pattern, o.unread)
		}
	}
}

// run types a command and expects an answer.
func (o *operator) run(command, answer string) {
	o.t.Helper()
	if _, err := io.WriteString(o.stdin, command+"\n"); err != nil {
		o.t.Fatal(err)
	}
	o.expect(answer)
}

// expectEvent waits for the event of a watch.
func (o *operator) expectEvent(event, path string) {
	o.t.Helper()
	o.expect("WatchedEvent state:SyncConnected type:" + event + " path:" + path + "( zxid: -?[0-9]+)?")
}

// quit closes the session, which deletes its ephemeral nodes.
func (o *operator) quit() {
	o.t.Helper()
	if _, err := io.WriteString(o.stdin, "quit\n"); err != nil {
		o.t.Fatal(err)
	}
	if err := o.cmd.Wait(); err != nil {
		o.t.Errorf("%s: %v", o.name, err)
	}
}

// newBookPool returns a pool with the nodes of the book: /master, /workers, /tasks and
// /assign.
func newBookPool(t *testing.T, target *zktest.Target, address string) (*session.Session, *tasks.Pool[string, string]) {
	t.Helper()
	s, err := session.Connect(withinLimit(t), target.Connect())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s, tasks.New(s, "/", codec.Text(), codec.Text(), tasks.WithAddress(address), tasks.WithMaxAttempts(1))
}

// start calls serve until stop is called. Serve must then return nil.
func start(t *testing.T, serve func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := receive(t, "end of a master or worker", done); err != nil {
			t.Errorf("a master or worker ended with %v", err)
		}
	}
}

// awaitData waits until a node exists and has this data.
func awaitData(t *testing.T, s *session.Session, path, want string) {
	t.Helper()
	e, err := s.Epoch(withinLimit(t))
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, w, err := e.WatchNode(withinLimit(t), path)
		if err == nil {
			var got []byte
			if got, _, err = s.Get(withinLimit(t), path); string(got) == want {
				w.Close()
				return
			}
		}
		if errors.Is(err, session.ErrNoNode) {
			_, exists, ew, err := e.WatchExists(withinLimit(t), path)
			if err != nil {
				t.Fatal(err)
			}
			if !exists {
				receive(t, "node "+path, ew.Fired())
			} else {
				ew.Close()
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		receive(t, "change of "+path+" to "+want, w.Fired())
	}
}

// awaitNoChildren waits until a node has no children.
func awaitNoChildren(t *testing.T, s *session.Session, path string) {
	t.Helper()
	e, err := s.Epoch(withinLimit(t))
	if err != nil {
		t.Fatal(err)
	}
	for {
		names, _, w, err := e.WatchChildren(withinLimit(t), path)
		if err != nil {
			t.Fatal(err)
		}
		if len(names) == 0 {
			w.Close()
			return
		}
		receive(t, "deletion of "+strings.Join(names, ", ")+" in "+path, w.Fired())
	}
}

// awaitOutcome waits for the outcome of a task, which is its result, or "failed: " and
// the message.
func awaitOutcome(t *testing.T, k *tasks.Ticket[string], want string) {
	t.Helper()
	got, err := k.Wait(withinLimit(t))
	var failed *tasks.TaskError
	if errors.As(err, &failed) {
		got, err = "failed: "+failed.Message, nil
	}
	if err != nil || got != want {
		t.Errorf("the outcome of %s is %q, %v, want %q", k.ID(), got, err, want)
	}
}

// MasterWorkerClient runs the masters, workers and clients of the ZooKeeper book.
// Operators play each of them with zkCli.sh, with the commands of the book, while
// package tasks plays the others. It needs real servers and zkCli.sh.
func MasterWorkerClient(t *testing.T, target *zktest.Target) {
	if target.Kind != zktest.RealEnsemble {
		t.Skip("the servers are not real ones; see ZKTEST in package zktest")
	}
	var operators []*operator
	for i, name := range []string{"the first master", "the second master", "the worker", "the client"} {
		operators = append(operators, newOperator(t, name, target.Cluster.Server(i%3).Addr()+target.Root()))
	}
	first, second, worker, client := operators[0], operators[1], operators[2], operators[3]
	s, pool := newBookPool(t, target, "ours:1")
	submit := func(cmd string) *tasks.Ticket[string] {
		t.Helper()
		k, err := pool.Submit(withinLimit(t), cmd)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	proceed := make(chan struct{})
	echo := func(ctx context.Context, task tasks.Task[string]) (string, error) {
		select {
		case <-proceed:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
		if task.Input == "fail" {
			return "", errors.New("no disk")
		}
		return task.Input + "!", nil
	}
	startWorker := func(id string) (stop func()) {
		_, pool := newBookPool(t, target, id+":2224")
		return start(t, func(ctx context.Context) error { return pool.Work(ctx, id, echo) })
	}

	// Two operators want to be master.
	first.run(`create -e /master "master1.example.com:2223"`, "Created /master")
	second.run(`create -e /master "master2.example.com:2223"`, "Node already exists: /master")
	second.run(`stat -w /master`, "numChildren = 0")
	first.quit()
	second.expectEvent("NodeDeleted", "/master")
	second.run(`create -e /master "master2.example.com:2223"`, "Created /master")
	second.run(`create /workers ""`, "Created /workers")
	second.run(`create /tasks ""`, "Created /tasks")
	second.run(`create /assign ""`, "Created /assign")
	second.run(`ls -w /workers`, `\[\]`)
	second.run(`ls -w /tasks`, `\[\]`)

	// An operator assigns tasks that a program submits to a worker that is a program.
	stopWorker := startWorker("worker1.example.com")
	second.expectEvent("NodeChildrenChanged", "/workers")
	second.run(`ls -w /workers`, `\[worker1.example.com\]`)
	second.run(`get /workers/worker1.example.com`, `worker1.example.com:2224`)
	awaitData(t, s, "/assign/worker1.example.com", "1")
	k := submit("cmd")
	second.expectEvent("NodeChildrenChanged", "/tasks")
	second.run(`ls -w /tasks`, `\[task-0000000000\]`)
	second.run(`ls -w /tasks/task-0000000000`, `\[\]`)
	second.run(`create /assign/worker1.example.com/task-0000000000 ""`, "Created /assign/worker1.example.com/task-0000000000")
	proceed <- struct{}{}
	second.expectEvent("NodeChildrenChanged", "/tasks/task-0000000000")
	second.run(`get /tasks/task-0000000000/status`, "done")
	awaitOutcome(t, k, "cmd!")
	second.run(`ls /assign/worker1.example.com`, `\[\]`)
	failing := submit("fail")
	second.expectEvent("NodeChildrenChanged", "/tasks")
	second.run(`create /assign/worker1.example.com/task-0000000001 ""`, "Created /assign/worker1.example.com/task-0000000001")
	proceed <- struct{}{}
	awaitOutcome(t, failing, "failed: no disk")
	second.run(`get /tasks/task-0000000001/status`, "failed: no disk")
	stopWorker()

	// A program takes over as master when the operator quits, and assigns tasks to an
	// operator.
	_, candidate := newBookPool(t, target, "ours:2")
	stopMaster := start(t, func(ctx context.Context) error { return candidate.Master(ctx) })
	k = submit("by hand")
	second.quit()
	awaitData(t, s, "/master", "ours:2")
	worker.run(`create -e /workers/worker2.example.com "worker2.example.com:2224"`, "Created /workers/worker2.example.com")
	// The master may already have created this node.
	worker.run(`create /assign/worker2.example.com ""`, "(Created|Node already exists:) /assign/worker2.example.com")
	worker.run(`ls -w /assign/worker2.example.com`, `\[(task-0000000002)?\]`)
	awaitData(t, s, "/assign/worker2.example.com/task-0000000002", "")
	worker.run(`ls -w /assign/worker2.example.com`, `\[task-0000000002\]`)
	worker.run(`get /tasks/task-0000000002`, "by hand")
	next := submit("next") // it waits, because the worker has a task already
	worker.run(`create /tasks/task-0000000002/status "done"`, "Created /tasks/task-0000000002/status")
	awaitOutcome(t, k, "")
	awaitData(t, s, "/assign/worker2.example.com/task-0000000003", "")
	worker.run(`create /tasks/task-0000000003/status "failed: no paper"`, "Created /tasks/task-0000000003/status")
	awaitOutcome(t, next, "failed: no paper")

	// The operator quits without doing its task, and another worker does it.
	k = submit("left")
	awaitData(t, s, "/assign/worker2.example.com/task-0000000004", "")
	worker.quit()
	stopWorker = startWorker("worker3.example.com")
	proceed <- struct{}{}
	awaitOutcome(t, k, "left!")

	// An operator is the client, and programs do the task.
	client.run(`create -s /tasks/task- "cmd"`, "Created /tasks/task-0000000005")
	client.run(`ls -w /tasks/task-0000000005`, `\[\]`)
	proceed <- struct{}{}
	client.expectEvent("NodeChildrenChanged", "/tasks/task-0000000005")
	client.run(`get /tasks/task-0000000005/status`, "done")
	client.run(`get /tasks/task-0000000005/result`, "cmd!")
	awaitOutcome(t, pool.Ticket("task-0000000005"), "cmd!")
	client.quit()

	// When masters and workers have stopped, only the finished tasks are left.
	stopWorker()
	awaitNoChildren(t, s, "/assign")
	stopMaster()
	awaitNoChildren(t, s, "/workers")
	if _, exists, err := s.Exists(withinLimit(t), "/master"); exists || err != nil {
		t.Errorf("there is a master: %v, %v", exists, err)
	}
	list, err := pool.List(withinLimit(t))
	if err != nil || len(list) != 6 {
		t.Errorf("%+v, %v", list, err)
	}
}
