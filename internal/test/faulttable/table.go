// Package faulttable plays a scenario once for every fault at every request
// that it makes, and once for every pair of them, on the in-process server and
// in virtual time. It is for tests.
package faulttable

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// faults are what can happen to a request: it is lost, its reply is lost, the
// connection breaks behind the reply, or the session expires instead of it or
// right after it.
var faults = []zktest.Fault{zktest.Refuse, zktest.DropReply, zktest.Cut, zktest.ExpireBefore, zktest.ExpireAfter}

var faultNames = map[zktest.Fault]string{
	zktest.Refuse:       "request lost",
	zktest.DropReply:    "reply lost",
	zktest.Cut:          "connection cut",
	zktest.ExpireBefore: "session expired before",
	zktest.ExpireAfter:  "session expired after",
}

// Scene is one play of a scenario.
type Scene struct {
	*testing.T
	Server  *zktest.Server
	Subject *session.Session // what the faults happen to
	Rival   *session.Session // what nothing happens to
	Owners  *Owners

	rival    int64
	schedule []strike
	requests []string // of the subject, while the scenario was played
}

// strike is a fault at the n-th request of the subject, from 0.
type strike struct {
	n     int
	fault zktest.Fault
}

func (s *Scene) String() string {
	var b strings.Builder
	for i, k := range s.schedule {
		if i > 0 {
			b.WriteString(", then ")
		}
		name := "(not reached)"
		if k.n < len(s.requests) {
			name = s.requests[k.n]
		}
		fmt.Fprintf(&b, "%s at request %d %s", faultNames[k.fault], k.n, name)
	}
	return b.String()
}

// Play plays scenario without a fault, with each fault at each request, and with
// each pair. A scenario must end all that it has begun; Play then checks that
// ownership never overlapped, that tokens rose, and that no node, watch, session
// or goroutine is left.
//
// It takes one pair in three, and with FAULTS=more or FAULTS=all in the environment
// every one. Under the race detector, which makes a play ten times as long, it takes
// fewer.
func Play(t *testing.T, scenario func(*Scene)) { Sample(t, 1, scenario) }

// Sample is Play with every fault at each request, but only one in so many of
// the pairs that Play takes: for scenarios of many requests, of which there are many
// more pairs. With FAULTS=all it plays all of them.
func Sample(t *testing.T, oneIn int, scenario func(*Scene)) {
	stride := oneIn
	switch env := os.Getenv("FAULTS"); {
	case env == "all":
		stride = 1
	case env != "more" && stride%pairStride != 0:
		stride *= pairStride
	}
	n := len(play(t, nil, scenario).requests)
	if n == 0 {
		t.Fatal("the scenario makes no request")
	}
	for i := range n {
		t.Run(fmt.Sprintf("request %d", i), func(t *testing.T) {
			t.Parallel()
			plays := 0
			for _, f := range faults {
				first := strike{i, f}
				// How many requests there are after it depends on the fault.
				m := len(play(t, []strike{first}, scenario).requests)
				plays++
				for k := plays % stride; k < (m-i-1)*len(faults); k += stride {
					play(t, []strike{first, {i + 1 + k/len(faults), faults[k%len(faults)]}}, scenario)
					plays++
				}
			}
			t.Logf("%d schedules", plays)
		})
	}
}

// Seeds are those of n random plays: fewer under the race detector.
func Seeds(n uint64) uint64 {
	if underRace {
		return (n + 3) / 4
	}
	return n
}

// longest is how long a play takes at most, in virtual time: sessions that prove
// themselves let time pass without end, so a wait that never ends would not be noticed.
const longest = 2 * time.Hour

func play(t *testing.T, schedule []strike, scenario func(*Scene)) *Scene {
	s := &Scene{schedule: schedule}
	defer func() {
		if t.Failed() { // which ends the goroutine
			t.Logf("the schedule was: %v\nthe requests were: %q", s, s.requests)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		s.T = t
		timer := time.AfterFunc(longest, func() {
			panic(fmt.Sprintf("%s waits for what does not happen within %v of virtual time; the schedule was: %v", t.Name(), longest, s))
		})
		defer timer.Stop()
		s.Server = zktest.New(t, zktest.WithTick(500*time.Millisecond))
		s.Owners = &Owners{}
		s.Rival = s.connect()
		s.rival = s.Rival.Status().ID
		s.Subject = s.connect()
		remove := s.Server.Fault(s.strike)
		scenario(s)
		remove()
		s.settle()
	})
	return s
}

func (s *Scene) connect() *session.Session {
	sess, err := session.Connect(s.Context(), "zktest:2181", session.WithDialer(s.Server.DialContext))
	if err != nil {
		s.Fatal(err)
	}
	return sess
}

// strike is the server's fault function.
func (s *Scene) strike(r zktest.Request) zktest.Fault {
	if r.Session == s.rival {
		return zktest.Pass
	}
	n := len(s.requests)
	s.requests = append(s.requests, r.Op+" "+r.Path)
	for _, k := range s.schedule {
		if k.n == n {
			if k.fault == zktest.ExpireBefore || k.fault == zktest.ExpireAfter {
				s.Owners.Expire()
			}
			return k.fault
		}
	}
	return zktest.Pass
}

// settle checks what a scenario leaves.
func (s *Scene) settle() {
	time.Sleep(20 * time.Second) // what goes on in the background has ended by then
	synctest.Wait()
	for line := range strings.Lines(s.Server.Tree()) {
		if strings.Contains(line, " ephemeral ") && !strings.HasPrefix(line, session.DefaultReceipts+"/") {
			s.Errorf("left in the tree: %s", line)
		}
	}
	if w := s.Server.Watches(); len(w) > 0 {
		s.Errorf("watches left: %v", w)
	}
	for _, sess := range []*session.Session{s.Subject, s.Rival} {
		if err := sess.Close(context.Background()); err != nil {
			s.Error(err)
		}
	}
	s.Server.Leaks(s)
	s.Owners.Check(s)
}
