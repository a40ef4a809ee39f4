package zkrecipes_test

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

// electionID has this test's binary be one process of the second article's election
// program, which is run as processes 0, 1 and 2.
const (
	electionID      = "ZKRECIPES_ELECTION_ID"
	electionServers = "ZKRECIPES_ELECTION_SERVERS"
)

func TestMain(m *testing.M) {
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

// electionProgram stands for election until it is told to stop, and says when it
// has come in and when it leads.
func electionProgram(id, servers string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go func() { // nor does it outlive the test
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	s, err := session.Connect(ctx, servers, session.WithTimeout(4*time.Second))
	if err != nil {
		return err
	}
	defer s.Close(context.Background())
	fmt.Println(id, "is there")
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

// contender is one such process.
type contender struct {
	cmd *exec.Cmd
	in  io.Closer
}

// line is what one of them has said.
type line struct{ id, said string }

func startContender(t *testing.T, id, servers string, said chan<- line) *contender {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), electionID+"="+id, electionServers+"="+servers)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for sc := bufio.NewScanner(out); sc.Scan(); {
			said <- line{id, sc.Text()}
		}
	}()
	return &contender{cmd, in}
}

// end ends the process by a signal.
func (c *contender) end(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		t.Error(err)
	}
	if err := c.cmd.Wait(); err != nil && sig != os.Kill {
		t.Error(err)
	}
	c.in.Close()
}

// Three processes, each at a server of its own, stand for election. The leader is
// stopped, and another takes over; it is killed, and another does; and who comes
// back stays behind.
func TestElectionOfThreeProcesses(t *testing.T) {
	t.Parallel()
	target := zktest.Open(t)
	hosts := strings.Split(target.Hosts(), ",")
	said := make(chan line, 100)
	running := make(map[string]*contender)
	t.Cleanup(func() {
		for _, c := range running {
			c.end(t, os.Kill)
		}
	})
	come := func(id int) {
		name := strconv.Itoa(id)
		running[name] = startContender(t, name, hosts[id%len(hosts)]+target.Root(), said)
	}
	last := int64(0)
	// leads waits until there is a leader among ids, and all the others of them are
	// there.
	leads := func(arrivals int, ids ...string) (leader string) {
		t.Helper()
		for leader == "" || arrivals > 0 {
			l := await(t, "a leader", said)
			rest, leading := strings.CutPrefix(l.said, l.id+" leads with ")
			if !leading {
				if l.said != l.id+" is there" {
					t.Fatalf("%s said: %s", l.id, l.said)
				}
				arrivals--
				continue
			}
			token, err := strconv.ParseInt(rest, 10, 64)
			switch {
			case err != nil:
				t.Fatal(err)
			case leader != "":
				t.Errorf("%s leads while %s does", l.id, leader)
			case token <= last:
				t.Errorf("%s leads with %d after %d", l.id, token, last)
			case !slices.Contains(ids, l.id):
				t.Errorf("%s leads, who is none of %v", l.id, ids)
			}
			leader, last = l.id, token
		}
		return leader
	}
	others := func(leader string) (ids []string) {
		for id := range running {
			if id != leader {
				ids = append(ids, id)
			}
		}
		return ids
	}
	for id := range 3 {
		come(id)
	}
	leader := leads(3, others("")...)
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Kill} {
		rest := others(leader)
		running[leader].end(t, sig)
		delete(running, leader)
		next := leads(0, rest...)
		id, err := strconv.Atoi(leader)
		if err != nil {
			t.Fatal(err)
		}
		come(id)
		if l := await(t, "the return of "+leader, said); l.said != leader+" is there" {
			t.Errorf("%s said: %s", l.id, l.said)
		}
		leader = next
	}
	watcher := target.Session(t)
	for l, err := range election.New(watcher, "/election").Observe(short(t)) {
		if err != nil || l.ID != leader {
			t.Errorf("%q leads, %v, and not %s", l.ID, err, leader)
		}
		break
	}
}
