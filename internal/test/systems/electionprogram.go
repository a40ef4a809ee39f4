package systems

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// With electionID in its environment, the test binary is one process of the election
// program.
const (
	electionID      = "ZKRECIPES_ELECTION_ID"
	electionServers = "ZKRECIPES_ELECTION_SERVERS"
)

// Main runs the tests of a package that calls ElectionOfThreeProcesses. Call it from
// TestMain: that system starts the test binary again as its processes, and Main is
// then the program's main function.
func Main(m *testing.M) {
	if id := os.Getenv(electionID); id != "" {
		if err := electionProgram(id, os.Getenv(electionServers)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	flag.Set("test.parallel", "8") // the tests wait more than they compute
	os.Exit(m.Run())
}

// electionProgram campaigns until it receives a signal. It prints a line when it is
// connected and a line when it is elected.
func electionProgram(id, servers string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go func() { // standard input ends with the test
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	s, err := session.Connect(ctx, servers, session.WithTimeout(4*time.Second))
	if err != nil {
		return err
	}
	defer s.Close(context.Background())
	fmt.Println(id, "is connected")
	err = election.New(s, "/election", election.WithID(id)).Run(ctx, func(ctx context.Context, t *election.Term) error {
		fmt.Println(id, "leads with", int64(t.Token()))
		<-ctx.Done()
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// electionProcess is a running election program.
type electionProcess struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

// outputLine is one line that a process has printed.
type outputLine struct{ id, text string }

func startElectionProgram(t *testing.T, id, servers string, output chan<- outputLine) *electionProcess {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), electionID+"="+id, electionServers+"="+servers)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for sc := bufio.NewScanner(stdout); sc.Scan(); {
			output <- outputLine{id, sc.Text()}
		}
	}()
	return &electionProcess{cmd, stdin}
}

// end sends a signal and waits until the process has ended.
func (p *electionProcess) end(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Error(err)
	}
	if err := p.cmd.Wait(); err != nil && sig != os.Kill {
		t.Error(err)
	}
	p.stdin.Close()
}

// ElectionOfThreeProcesses runs the election program as processes 0, 1 and 2, each
// connected to another server. The leader is terminated and then killed. Each time
// another process takes over, and the old leader, started again, does not lead.
func ElectionOfThreeProcesses(t *testing.T, target *zktest.Target) {
	hosts := strings.Split(target.Hosts(), ",")
	output := make(chan outputLine, 100)
	running := make(map[string]*electionProcess)
	t.Cleanup(func() {
		for _, p := range running {
			p.end(t, os.Kill)
		}
	})
	start := func(id int) {
		name := strconv.Itoa(id)
		running[name] = startElectionProgram(t, name, hosts[id%len(hosts)]+target.Root(), output)
	}
	lastToken := int64(0)
	// awaitLeader waits until one of ids leads and the given number of processes have
	// connected.
	awaitLeader := func(connections int, ids ...string) (leader string) {
		t.Helper()
		for leader == "" || connections > 0 {
			l := receive(t, "leader", output)
			rest, leading := strings.CutPrefix(l.text, l.id+" leads with ")
			if !leading {
				if l.text != l.id+" is connected" {
					t.Fatalf("%s printed: %s", l.id, l.text)
				}
				connections--
				continue
			}
			token, err := strconv.ParseInt(rest, 10, 64)
			switch {
			case err != nil:
				t.Fatal(err)
			case leader != "":
				t.Errorf("%s leads while %s does", l.id, leader)
			case token <= lastToken:
				t.Errorf("%s leads with %d after %d", l.id, token, lastToken)
			case !slices.Contains(ids, l.id):
				t.Errorf("%s leads, which is none of %v", l.id, ids)
			}
			leader, lastToken = l.id, token
		}
		return leader
	}
	allBut := func(leader string) (ids []string) {
		for id := range running {
			if id != leader {
				ids = append(ids, id)
			}
		}
		return ids
	}
	for id := range 3 {
		start(id)
	}
	leader := awaitLeader(3, allBut("")...)
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Kill} {
		rest := allBut(leader)
		running[leader].end(t, sig)
		delete(running, leader)
		next := awaitLeader(0, rest...)
		id, err := strconv.Atoi(leader)
		if err != nil {
			t.Fatal(err)
		}
		start(id)
		if l := receive(t, "connection of "+leader, output); l.text != leader+" is connected" {
			t.Errorf("%s printed: %s", l.id, l.text)
		}
		leader = next
	}
	watcher := target.Session(t)
	for l, err := range election.New(watcher, "/election").Observe(withinLimit(t)) {
		if err != nil || l.ID != leader {
			t.Errorf("%q leads, %v, and not %s", l.ID, err, leader)
		}
		break
	}
}
