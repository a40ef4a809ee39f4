package election_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file need faults or virtual time, and therefore the in-process
// server.

func eachFormVirtually(t *testing.T, test func(*testing.T, form)) {
	eachForm(t, func(t *testing.T, f form) {
		synctest.Test(t, func(t *testing.T) { test(t, f) })
	})
}

// If a leader is cut off, in either way and at any moment, its term ends before the
// next leads.
func TestCutOffLeaderStopsFirst(t *testing.T) {
	cuts := map[string]func(*zktest.Server, int64) func(){
		"partition": (*zktest.Server).Partition,
		"isolation": (*zktest.Server).Isolate,
	}
	const moments = 15
	eachForm(t, func(t *testing.T, f form) {
		for name, cut := range cuts {
			for _, timeout := range []time.Duration{2 * time.Second, 10 * time.Second, time.Minute} {
				least := time.Hour
				for moment := range moments {
					synctest.Test(t, func(t *testing.T) {
						gap := cutOff(t, f, cut, timeout, timeout*time.Duration(moment)*2/moments)
						least = min(least, gap)
					})
				}
				t.Logf("%s, timeout %v: told at least %v before the next led", name, timeout, least)
			}
		}
	})
}

// cutOff lets a session lead for a while, cuts it off, and returns how much earlier
// its term ended than the next led.
func cutOff(t *testing.T, f form, cut func(*zktest.Server, int64) func(), timeout, after time.Duration) time.Duration {
	srv := zktest.New(t, zktest.WithTick(timeout/8))
	a, b := srv.Session(t, session.WithTimeout(timeout)), srv.Session(t, session.WithTimeout(timeout))
	time.Sleep(timeout * 7) // the session has been idle for a long time
	term := campaign(t, f.election(a, "a"))
	led := make(chan time.Time)
	go func() {
		campaign(t, f.election(b, "b"))
		led <- time.Now()
	}()
	time.Sleep(after)
	heal := cut(srv, a.Status().ID)
	defer heal()
	testkit.AwaitDone(t, term.Context())
	told := time.Now()
	if !errors.Is(term.Err(), election.ErrLost) || !errors.Is(term.Err(), session.ErrExpired) {
		t.Errorf("the term ended with %v", term.Err())
	}
	gap := (<-led).Sub(told)
	if gap <= 0 {
		t.Errorf("cut off %v after it led: the term ended %v after the next led", after, -gap)
	}
	return gap
}

// While a leader is cut off, its Run waits for fn. Run campaigns again once the
// connection is restored, and never leads at the same time as the other.
func TestRunThroughPartitions(t *testing.T) {
	eachFormVirtually(t, func(t *testing.T, f form) {
		srv := zktest.New(t)
		ctx, cancel := context.WithCancel(t.Context())
		leading, terms := "", map[string]int{}
		var last session.Zxid
		ended := make(chan error)
		sessions := map[string]*session.Session{"a": srv.Session(t), "b": srv.Session(t)}
		for who, s := range sessions {
			go func() {
				ended <- f.election(s, who).Run(ctx, func(ctx context.Context, term *election.Term) error {
					if leading != "" {
						t.Errorf("%s leads beside %s", who, leading)
					}
					if term.Token() <= last {
						t.Errorf("token %v came after %v", term.Token(), last)
					}
					leading, last = who, term.Token()
					terms[who]++
					<-ctx.Done()
					leading = ""
					return ctx.Err()
				})
			}()
		}
		synctest.Wait()
		for range 10 {
			heal := srv.Partition(sessions[leading].Status().ID)
			time.Sleep(time.Minute)
			heal()
			time.Sleep(time.Minute)
			synctest.Wait()
			if leading == "" {
				t.Error("there is no leader")
			}
		}
		if terms["a"]+terms["b"] != 11 {
			t.Errorf("terms: %v", terms)
		}
		cancel()
		for range sessions {
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("Run: %v", err)
			}
		}
	})
}

// A term survives outages of a fifth of the timeout.
func TestOutageIsSurvived(t *testing.T) {
	eachFormVirtually(t, func(t *testing.T, f form) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		term := campaign(t, f.election(a, "a"))
		won := campaigning(t, f.election(b, "b"))
		o := observe(t, f.election(b, "observes"))
		o.wants("a", "", term.Token())
		for range 20 {
			time.Sleep(7 * time.Second)
			srv.Stop()
			time.Sleep(2 * time.Second)
			if err := srv.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		if err := term.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		proclaim(t, term, "still here")
		o.wants("a", "still here", term.Token()) // and nothing in between
		o.stop()
		resign(t, term)
		next := <-won
		if next.SessionID() != b.Status().ID {
			t.Errorf("session 0x%x leads", next.SessionID())
		}
		resign(t, next)
	})
}

func TestLoseOnSuspend(t *testing.T) {
	eachFormVirtually(t, func(t *testing.T, f form) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		strict := campaign(t, f.election(a, "strict", election.WithLoseOnSuspend()))
		patient := campaign(t, f.at(a, "/another/election", "patient"))
		won := campaigning(t, f.election(b, "b"))
		synctest.Wait()
		srv.Stop()
		synctest.Wait()
		if !errors.Is(strict.Err(), election.ErrLost) || strings.Contains(strict.Err().Error(), "expired") {
			t.Errorf("the strict term ended with %v", strict.Err())
		}
		if err := patient.Err(); err != nil {
			t.Errorf("the patient term ended with %v", err)
		}
		if err := srv.Restart(); err != nil {
			t.Fatal(err)
		}
		resign(t, <-won) // the owner deletes the node of the lost term
		if err := patient.Verify(t.Context()); err != nil {
			t.Errorf("the patient term ended with %v", err)
		}
		resign(t, patient)
	})
}

// A candidate whose session ends continues, at the end of a line if there is one, and
// leaves no node of its earlier sessions.
func TestEpochsLostWhileWaiting(t *testing.T) {
	eachFormVirtually(t, func(t *testing.T, f form) {
		srv := zktest.New(t)
		a, b, c := srv.Session(t), srv.Session(t), srv.Session(t)
		term := campaign(t, f.election(a, "a"))
		order := make(chan string, 2)
		lead := func(who string, s *session.Session) {
			next := campaign(t, f.election(s, who))
			order <- who
			time.Sleep(time.Second)
			resign(t, next)
		}
		go lead("b", b)
		synctest.Wait()
		go lead("c", c)
		synctest.Wait()
		for range 5 {
			srv.Expire(b.Status().ID)
			time.Sleep(time.Second)
		}
		heal := srv.Partition(b.Status().ID) // again, without a notification
		time.Sleep(time.Minute)
		heal()
		time.Sleep(time.Minute)
		candidates := map[string]int{"line": 3, "fixed": 1}[f.name]
		if n := strings.Count(srv.Tree(), " ephemeral "); n != candidates {
			t.Errorf("there are\n%s", srv.Tree())
		}
		if n := len(srv.Sessions()); n != 3 {
			t.Errorf("there are %d sessions", n)
		}
		resign(t, term)
		if first, second := <-order, <-order; f.name == "line" && (first != "c" || second != "b") {
			t.Errorf("%s led, and then %s", first, second)
		}
		time.Sleep(2 * time.Second)
	})
}

// Observe continues in the next epoch, and yields only what has changed.
func TestObserveAcrossEpochs(t *testing.T) {
	eachFormVirtually(t, func(t *testing.T, f form) {
		srv := zktest.New(t)
		a, b, c := srv.Session(t), srv.Session(t), srv.Session(t)
		o := observe(t, f.election(c, "observes"))
		o.wantsVacancy()
		srv.Expire(c.Status().ID)
		time.Sleep(time.Second)
		first := campaign(t, f.election(a, "a"))
		o.wants("a", "", first.Token())
		srv.Expire(c.Status().ID)
		time.Sleep(time.Second)
		proclaim(t, first, "x")
		o.wants("a", "x", first.Token())

		heal := srv.Partition(c.Status().ID) // it misses all events
		resign(t, first)
		second := campaign(t, f.election(b, "b"))
		go func() {
			time.Sleep(time.Minute)
			heal()
		}()
		o.wants("b", "", second.Token())
		resign(t, second)
		o.wantsVacancy()
		o.stop()
		time.Sleep(time.Minute)
		if w := srv.Watches(); len(w) != 0 {
			t.Errorf("watches left: %v", w)
		}
	})
}

// After a local loss, a campaign does not wait until the server expires the old
// session's node: the session is closed as soon as possible.
func TestOwnOldNode(t *testing.T) {
	eachFormVirtually(t, func(t *testing.T, f form) {
		// A server that rounds up to half a minute expires sessions late.
		srv := zktest.New(t, zktest.WithTick(30*time.Second), zktest.WithTimeouts(time.Second, time.Hour))
		s := srv.Session(t)
		e := f.election(s, "a")
		term := campaign(t, e)
		old := s.Status().ID
		heal := srv.Partition(old)
		testkit.AwaitDone(t, term.Context())
		won := campaigning(t, e)
		time.Sleep(time.Second)
		select {
		case <-won:
			if f.name == "fixed" {
				t.Error("it leads while its old node is there")
			}
		default:
		}
		healed := time.Now()
		heal()
		next := <-won
		if d := time.Since(healed); d > 5*time.Second {
			t.Errorf("it led %v after it was back", d)
		}
		if next.SessionID() == old || next.Token() <= term.Token() {
			t.Errorf("session 0x%x leads with token %v, after 0x%x with %v", next.SessionID(), next.Token(), old, term.Token())
		}
		if l, err := e.Leader(t.Context()); err != nil || l.Token != next.Token() {
			t.Errorf("leader %+v (%v)", l, err)
		}
		if ids := srv.Sessions(); len(ids) != 1 {
			t.Errorf("sessions %x", ids)
		}
		resign(t, next)
	})
}

// If an operator has replaced a fixed node, and the holder has not noticed, Resign
// does not delete the new node.
func TestResignOfReplacedNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		term := campaign(t, fixed.election(a, "a"))
		heal := srv.Partition(a.Status().ID)
		if err := b.Delete(t.Context(), term.Path(), session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		next := campaign(t, fixed.election(b, "b"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := term.Resign(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Resign while cut off: %v", err)
		}
		heal()
		time.Sleep(time.Minute)
		if id := a.Status(); id.Epoch != 1 {
			t.Errorf("it was cut off for too long: %+v", id)
		}
		if err := next.Verify(t.Context()); err != nil {
			t.Errorf("the next leader lost its node: %v", err)
		}
		resign(t, next)
	})
}

// Waiters for a fixed node do not write when the leader proclaims.
func TestFixedWaitersOnlyRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		term := campaign(t, fixed.election(a, "a"))
		won := campaigning(t, fixed.election(b, "b"))
		synctest.Wait()
		srv.ResetRequests()
		const n = 10
		for range n {
			proclaim(t, term, "x")
			synctest.Wait()
		}
		reads := 0
		for _, r := range srv.Requests() {
			if r.Session == a.Status().ID {
				continue
			}
			if reads++; r.Op != "exists" {
				t.Errorf("a candidate sent %s %s", r.Op, r.Path)
			}
		}
		if reads > n {
			t.Errorf("%d requests for %d changes", reads, n)
		}
		resign(t, term)
		resign(t, <-won)
	})
}

// The round trips that Campaign states, counted at the server.
func TestRequests(t *testing.T) {
	eachFormVirtually(t, func(t *testing.T, f form) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		resign(t, campaign(t, f.election(a, "a"))) // creates the parents
		synctest.Wait()
		srv.ResetRequests()
		ops := func() string {
			synctest.Wait()
			var names []string
			for _, r := range srv.Requests() {
				names = append(names, r.Op)
			}
			srv.ResetRequests()
			return strings.Join(names, " ")
		}
		term := campaign(t, f.election(a, "a"))
		want := map[string]string{"line": "create2 getChildren2 getData", "fixed": "create2 getData"}[f.name]
		if got := ops(); got != want { // the watch of its own node is set in the background
			t.Errorf("Campaign sent %s", got)
		}
		won := campaigning(t, f.election(b, "b"))
		ops()
		resign(t, term)
		next := <-won
		want = map[string]string{"line": "delete", "fixed": "getData delete create2 getData"}[f.name]
		if got := ops(); got != want {
			t.Errorf("a hand-over took %s", got)
		}
		resign(t, next)
	})
}

func TestCampaignWithoutServer(t *testing.T) {
	eachFormVirtually(t, func(t *testing.T, f form) {
		srv := zktest.New(t)
		s := srv.Session(t)
		e := f.election(s, "a")
		srv.Stop()
		time.Sleep(time.Minute)
		for what, call := range map[string]func(context.Context) error{
			"Campaign":   func(ctx context.Context) error { _, err := e.Campaign(ctx); return err },
			"Leader":     func(ctx context.Context) error { _, err := e.Leader(ctx); return err },
			"Candidates": func(ctx context.Context) error { _, err := e.Candidates(ctx); return err },
			"StepDown":   func(ctx context.Context) error { return e.StepDown(ctx) },
			"Observe": func(ctx context.Context) (err error) {
				for _, err = range e.Observe(ctx) {
				}
				return err
			},
			"Run": func(ctx context.Context) error {
				return e.Run(ctx, func(context.Context, *election.Term) error { return nil })
			},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			start := time.Now()
			err := call(ctx)
			cancel()
			if d := time.Since(start); d != 500*time.Millisecond {
				t.Errorf("%s took %v", what, d)
			}
			var oe *session.OpError
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not connected") || !errors.As(err, &oe) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := srv.Restart(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if tree := srv.Tree(); strings.Contains(tree, "ephemeral") {
			t.Errorf("left:\n%s", tree)
		}
	})
}

// Whatever happens between two requests of an observer, it reaches the present leader
// and leaves no watch.
func TestChangesWhileObserverLooks(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		for n := range 6 {
			for _, exists := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					srv := zktest.New(t)
					a, c := srv.Session(t), testkit.NewCallbackSession(t, srv)
					if exists {
						resign(t, campaign(t, f.election(a, "earlier")))
						synctest.Wait()
					}
					var term *election.Term
					c.AtReply(n+1, func() { term = campaign(t, f.election(a, "a")) })
					ctx, cancel := context.WithCancel(t.Context())
					var last election.Leader
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						for l, err := range f.election(c.Session, "observes").Observe(ctx) {
							if err == nil {
								last = l
							}
						}
					}()
					synctest.Wait()
					c.AtReply(0, nil)
					if term == nil { // there were fewer replies
						term = campaign(t, f.election(a, "a"))
						synctest.Wait()
					}
					if last.ID != "a" || last.Token != term.Token() {
						t.Errorf("change at reply %d: %+v was observed last", n, last)
					}
					cancel()
					<-ended
					synctest.Wait()
					if w := srv.Watches(); len(w) != 1 || w[0].Session != a.Status().ID {
						t.Errorf("change at reply %d: watches left: %v", n, w)
					}
					resign(t, term)
				})
			}
		}
	})
}

// The node may be deleted between the create that fails and the watch.
func TestFixedNodeIsDeletedWhileCandidateReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), testkit.NewCallbackSession(t, srv)
		term := campaign(t, fixed.election(a, "a"))
		b.AtReply(1, func() { resign(t, term) })
		next := campaign(t, fixed.election(b.Session, "b"))
		if !errors.Is(term.Err(), election.ErrResigned) {
			t.Errorf("the first term has ended with %v", term.Err())
		}
		resign(t, next)
		synctest.Wait()
		if w := srv.Watches(); len(w) != 0 {
			t.Errorf("watches left: %v", w)
		}
	})
}

// Leader reads again in the next epoch if one ends during the call.
func TestLeaderAcrossEpochs(t *testing.T) {
	eachFormVirtually(t, func(t *testing.T, f form) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		term := campaign(t, f.election(a, "a"))
		synctest.Wait()
		expired := false
		defer srv.Fault(func(r zktest.Request) zktest.Fault {
			if r.Op != "getData" || expired {
				return zktest.Pass
			}
			expired = true
			return zktest.ExpireBefore
		})()
		if l, err := f.election(b, "b").Leader(t.Context()); err != nil || l.Token != term.Token() {
			t.Errorf("leader %+v (%v)", l, err)
		}
		if st := b.Status(); st.Epoch != 2 {
			t.Errorf("the session has the status %+v", st)
		}
	})
}

// Run returns when the node has been deleted, however long that takes after ctx is
// done.
func TestRunWaitsForResignation(t *testing.T) {
	eachFormVirtually(t, func(t *testing.T, f form) {
		srv := zktest.New(t)
		s := srv.Session(t)
		defer srv.Fault(func(r zktest.Request) zktest.Fault {
			if r.Op == "delete" {
				time.Sleep(time.Second)
			}
			return zktest.Pass
		})()
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		err := f.election(s, "a").Run(ctx, func(ctx context.Context, _ *election.Term) error {
			cancel()
			return ctx.Err()
		})
		if d := time.Since(start); !errors.Is(err, context.Canceled) || d != time.Second {
			t.Errorf("Run: %v after %v", err, d)
		}
		if tree := srv.Tree(); strings.Contains(tree, "ephemeral") {
			t.Errorf("left:\n%s", tree)
		}
	})
}
