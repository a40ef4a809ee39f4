// Package faulttable runs a scenario once for every fault at every request that the
// scenario makes, and once for every pair of such faults, on the in-process server and in
// virtual time. It is for tests.
//
// A scenario is a function that uses a recipe: it acquires a lock, pushes an item, updates
// a value. It uses two sessions. The requests of the faulty session get the faults; the
// healthy session is for contenders and observers.
//
//	func TestFaultsLockFree(t *testing.T) {
//		faulttable.Test(t, func(r *faulttable.Run) {
//			l, err := lock.New(r.Faulty, "/lock").Lock(r.Context())
//			if err != nil {
//				r.Fatal(err)
//			}
//			r.Owners.Begin("faulty", l.Token(), l.Context())
//			if err := l.Unlock(r.Context()); err != nil && !errors.Is(err, lock.ErrLost) {
//				r.Error(err)
//			}
//		})
//	}
//
// CONTRIBUTING.md says how many runs there are and how to read a failure.
package faulttable

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// faults are what can happen to a request: the request is lost, its reply is lost, the
// connection breaks after the reply, the session expires before the request is processed,
// or right after it.
var faults = []zktest.Fault{zktest.Refuse, zktest.DropReply, zktest.Cut, zktest.ExpireBefore, zktest.ExpireAfter}

var faultNames = map[zktest.Fault]string{
	zktest.Refuse:       "request lost",
	zktest.DropReply:    "reply lost",
	zktest.Cut:          "connection cut",
	zktest.ExpireBefore: "session expired before",
	zktest.ExpireAfter:  "session expired after",
}

// Run is one run of a scenario, with the faults of one schedule.
type Run struct {
	*testing.T
	Server  *zktest.Server
	Faulty  *session.Session // the session whose requests get the faults
	Healthy *session.Session // a session without faults
	Owners  *Owners          // records ownership; checked at the end of the run

	healthyID int64
	schedule  []scheduledFault
	requests  []string // of the faulty session, during the scenario
}

// scheduledFault is a fault at a request of the faulty session. Requests are counted from
// 0.
type scheduledFault struct {
	request int
	fault   zktest.Fault
}

// String describes the schedule.
func (r *Run) String() string {
	var b strings.Builder
	for i, f := range r.schedule {
		if i > 0 {
			b.WriteString(", then ")
		}
		name := "(not reached)"
		if f.request < len(r.requests) {
			name = r.requests[f.request]
		}
		fmt.Fprintf(&b, "%s at request %d %s", faultNames[f.fault], f.request, name)
	}
	return b.String()
}

// Test runs scenario without a fault, with each fault at each request, and with pairs of
// faults. By default it takes one pair in three, under the race detector one in 23, and
// with FAULTS=more or FAULTS=all in the environment all of them.
//
// A scenario must end whatever it began. After each run Test checks that ownership did not
// overlap and that tokens rose (see Owners), and that no ephemeral node, watch, session,
// goroutine or state of session.Local is left.
func Test(t *testing.T, scenario func(*Run)) { Sample(t, 1, scenario) }

// Sample is Test with every fault at each request, but only one pair for oneIn pairs that
// Test takes. The number of pairs grows with the square of the number of requests, so
// scenarios of many requests need it. With FAULTS=all it takes every pair too.
func Sample(t *testing.T, oneIn int, scenario func(*Run)) {
	stride := oneIn
	switch env := os.Getenv("FAULTS"); {
	case env == "all":
		stride = 1
	case env != "more" && stride%pairStride != 0:
		stride *= pairStride
	}
	n := len(run(t, nil, scenario).requests)
	if n == 0 {
		t.Fatal("the scenario makes no request")
	}
	for i := range n {
		t.Run(fmt.Sprintf("request %d", i), func(t *testing.T) {
			t.Parallel()
			runs := 0
			for _, f := range faults {
				first := scheduledFault{i, f}
				// How many requests follow depends on the fault.
				m := len(run(t, []scheduledFault{first}, scenario).requests)
				runs++
				for k := runs % stride; k < (m-i-1)*len(faults); k += stride {
					second := scheduledFault{i + 1 + k/len(faults), faults[k%len(faults)]}
					run(t, []scheduledFault{first, second}, scenario)
					runs++
				}
			}
			t.Logf("%d runs", runs)
		})
	}
}

// Seeds returns how many of n random histories a test should play. Under the race detector
// it is a quarter of them.
func Seeds(n uint64) uint64 {
	if underRace {
		return (n + 3) / 4
	}
	return n
}

// maxTime is the longest time, in virtual time, that a run may take. Sessions send proofs
// at intervals, so virtual time passes while a scenario blocks, and synctest does not
// report a deadlock.
const maxTime = 2 * time.Hour

// run runs scenario once, in its own bubble.
func run(t *testing.T, schedule []scheduledFault, scenario func(*Run)) *Run {
	r := &Run{schedule: schedule}
	defer func() {
		if t.Failed() { // t.Fatal ends the goroutine, so this is deferred
			t.Logf("the schedule was: %v\nthe requests were: %q", r, r.requests)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		r.T = t
		timer := time.AfterFunc(maxTime, func() {
			panic(fmt.Sprintf("%s did not end within %v of virtual time; the schedule was: %v", t.Name(), maxTime, r))
		})
		defer timer.Stop()
		r.Server = zktest.New(t, zktest.WithTick(500*time.Millisecond))
		r.Owners = &Owners{}
		r.Healthy = r.connect()
		r.healthyID = r.Healthy.Status().ID
		r.Faulty = r.connect()
		remove := r.Server.Fault(r.faultFor)
		scenario(r)
		remove()
		r.checkEnd()
	})
	return r
}

func (r *Run) connect() *session.Session {
	s, err := session.Connect(r.Context(), "zktest:2181", session.WithDialer(r.Server.DialContext))
	if err != nil {
		r.Fatal(err)
	}
	return s
}

// faultFor is called by the server for each request and returns what happens to it.
func (r *Run) faultFor(req zktest.Request) zktest.Fault {
	if req.Session == r.healthyID {
		return zktest.Pass
	}
	n := len(r.requests)
	r.requests = append(r.requests, req.Op+" "+req.Path)
	for _, f := range r.schedule {
		if f.request == n {
			if f.fault == zktest.ExpireBefore || f.fault == zktest.ExpireAfter {
				r.Owners.SessionExpired()
			}
			return f.fault
		}
	}
	return zktest.Pass
}

// checkEnd checks that the scenario left nothing behind.
func (r *Run) checkEnd() {
	time.Sleep(20 * time.Second) // longer than any work in the background
	synctest.Wait()
	for line := range strings.Lines(r.Server.Tree()) {
		if strings.Contains(line, " ephemeral ") && !strings.HasPrefix(line, session.DefaultReceipts+"/") {
			r.Errorf("left in the tree: %s", line)
		}
	}
	if w := r.Server.Watches(); len(w) > 0 {
		r.Errorf("watches left: %v", w)
	}
	for _, s := range []*session.Session{r.Faulty, r.Healthy} {
		if err := s.Close(context.Background()); err != nil {
			r.Error(err)
		}
		if n := localStates(s); n > 0 {
			r.Errorf("%d states of session.Local were not released", n)
		}
	}
	r.Server.Leaks(r)
	r.Owners.Check(r)
}

// localStates counts the states of session.Local that s has. No goroutine may use s.
func localStates(s *session.Session) int {
	return reflect.ValueOf(s).Elem().FieldByName("local").FieldByName("byKey").Len()
}
