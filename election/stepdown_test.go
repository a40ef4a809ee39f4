package election_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file that need no virtual time run on the servers that ZKTEST
// selects.

func notRevoked(t testing.TB, who string, term *election.Term) {
	t.Helper()
	select {
	case <-term.Revoked():
		t.Errorf("%s was asked to step down", who)
	default:
	}
}

func candidates(t testing.TB, e *election.Election) []election.Candidate {
	t.Helper()
	cs, err := e.Candidates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

func stepDown(t testing.TB, e *election.Election, cs ...election.Candidate) {
	t.Helper()
	if err := e.StepDown(t.Context(), cs...); err != nil {
		t.Fatal(err)
	}
}

// data returns the data of the term's node.
func data(t testing.TB, s *session.Session, term *election.Term) string {
	t.Helper()
	testkit.Sync(t, s)
	data, _, err := s.Get(t.Context(), term.Path())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestCandidates(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		a, b := connect(t, target), connect(t, target)
		e := f.election(a.Session, "a")
		if cs := candidates(t, e); cs != nil {
			t.Errorf("without any: %+v", cs)
		}
		term := campaign(t, f.election(a.Session, "a", election.WithData([]byte("10.0.0.1\nready"))))
		next := campaigning(t, f.election(b.Session, "b"))
		f.contend(t, map[string]int{"line": 2, "fixed": 1}[f.name], b)
		_, st, err := a.Get(t.Context(), term.Path())
		if err != nil {
			t.Fatal(err)
		}
		testkit.Sync(t, a.Session)
		cs := candidates(t, e)
		want := election.Candidate{ID: "a", Data: []byte("10.0.0.1\nready"), Token: term.Token(), Path: term.Path(), Session: term.SessionID(), Since: st.Ctime}
		if len(cs) == 0 || !reflect.DeepEqual(cs[0], want) {
			t.Fatalf("%+v, want first %+v", cs, want)
		}
		l, err := e.Leader(t.Context())
		if err != nil || !reflect.DeepEqual(l, election.Leader{ID: "a", Data: want.Data, Token: want.Token, Path: want.Path, Session: want.Session}) {
			t.Errorf("Leader: %+v, %v", l, err)
		}
		switch f.name {
		case "fixed":
			if len(cs) != 1 {
				t.Errorf("candidates without a node: %+v", cs[1:])
			}
		default:
			if len(cs) != 2 || cs[1].ID != "b" || cs[1].Data != nil || cs[1].Token <= cs[0].Token || cs[1].Session != b.Status().ID || cs[1].Revoked {
				t.Errorf("%+v", cs)
			}
		}
		resign(t, term)
		resign(t, <-next)
		nothingLeft(t, target, a.Session, b.Session)
	})
}

func TestStepDown(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		a, b := connect(t, target), connect(t, target)
		mine, far := f.election(a.Session, "a", election.WithData([]byte("here"))), f.election(b.Session, "far")
		stepDown(t, far) // there is no leader
		term := campaign(t, mine)
		next := campaigning(t, f.election(b.Session, "b"))
		f.contend(t, map[string]int{"line": 2, "fixed": 1}[f.name], b)
		notRevoked(t, "the leader", term)
		stepDown(t, far)
		<-term.Revoked()
		// It is only a request: the term lasts, and so do its guards.
		if err := errors.Join(term.Err(), term.Verify(t.Context())); err != nil {
			t.Error(err)
		}
		if _, err := term.Txn(t.Context(), session.OpCheck("/", session.AnyVersion)); err != nil {
			t.Error(err)
		}
		if _, err := a.Txn(t.Context(), term.Guards()...); err != nil {
			t.Errorf("a guarded transaction: %v", err)
		}
		if l, err := leader(t, b.Session, far); err != nil || l.ID != "a" || string(l.Data) != "here" || l.Token != term.Token() {
			t.Errorf("the leader is %+v (%v)", l, err)
		}
		testkit.Sync(t, a.Session, b.Session)
		asked := candidates(t, far)
		if !asked[0].Revoked || asked[0].ID != "a" || string(asked[0].Data) != "here" || len(asked) > 1 && asked[1].Revoked {
			t.Errorf("Candidates: %+v", asked)
		}
		stepDown(t, far) // again
		if got := data(t, a.Session, term); got != "a\n__REVOKE__\nhere" {
			t.Errorf("the node holds %q", got)
		}
		resign(t, term)
		term = <-next
		stepDown(t, far, asked[0]) // has left
		if got := data(t, b.Session, term); got != "b" {
			t.Errorf("the next node holds %q", got)
		}
		notRevoked(t, "the next leader", term)
		testkit.Sync(t, a.Session, b.Session)
		stepDown(t, mine, candidates(t, mine)...)
		<-term.Revoked()
		if got := data(t, b.Session, term); got != "b\n__REVOKE__" {
			t.Errorf("the next node holds %q", got)
		}
		resign(t, term)
		nothingLeft(t, target, a.Session, b.Session)
	})
}

// A candidate that was asked finds the request once it leads, whether it was asked before
// or after it had read its node. A leader that was cut off receives it as well.
func TestStepDownWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, delay := range []time.Duration{0, 2 * time.Second} {
			srv := zktest.New(t)
			s, far := srv.Session(t), srv.Session(t)
			e := election.New(far, path)
			term := campaign(t, e)
			remove := srv.Inject(zktest.Rule{Op: "getData", Session: s.Status().ID, Delay: delay})
			waiting := campaigning(t, election.New(s, path))
			time.Sleep(time.Second)
			stepDown(t, e, candidates(t, e)[1])
			notRevoked(t, "the leader", term)
			time.Sleep(5 * time.Second)
			resign(t, term)
			term = <-waiting
			<-term.Revoked()
			remove()
			resign(t, term)

			term = campaign(t, election.New(s, path))
			time.Sleep(time.Second)
			heal := srv.Partition(s.Status().ID)
			stepDown(t, e)
			time.Sleep(time.Second)
			notRevoked(t, "a leader that is cut off", term)
			heal()
			<-term.Revoked()
			resign(t, term)
		}
	})
}

// Proclaim keeps a request, also one that the leader has not seen.
func TestProclaimKeepsRequest(t *testing.T) {
	eachFormVirtually(t, func(t *testing.T, f form) {
		srv := zktest.New(t)
		s, far := srv.Session(t), srv.Session(t)
		term := campaign(t, f.election(s, "a", election.WithData([]byte("one"))))
		synctest.Wait()
		ends := srv.Inject(zktest.Rule{Op: "getData", Session: s.Status().ID, Delay: time.Second, Nth: 1})
		stepDown(t, f.election(far, "far"))
		synctest.Wait()
		notRevoked(t, "the leader, before it has read its node,", term)
		proclaim(t, term, "two")
		<-term.Revoked()
		if got := data(t, far, term); got != "a\n__REVOKE__\ntwo" {
			t.Errorf("the node holds %q", got)
		}
		proclaim(t, term, "three")
		if err := term.Proclaim(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if got := data(t, far, term); got != "a\n__REVOKE__" {
			t.Errorf("the node holds %q", got)
		}
		if err := term.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		ends()
		resign(t, term)
	})
}

// Txn and Verify succeed for a leader that was asked and does not know it yet.
func TestTxnOfAskedLeader(t *testing.T) {
	eachFormVirtually(t, func(t *testing.T, f form) {
		for what, use := range map[string]func(*election.Term) error{
			"Verify": func(term *election.Term) error { return term.Verify(t.Context()) },
			"Txn": func(term *election.Term) error {
				_, err := term.Txn(t.Context(), session.OpCheck("/", session.AnyVersion))
				return err
			},
		} {
			srv := zktest.New(t)
			s, far := srv.Session(t), srv.Session(t)
			term := campaign(t, f.election(s, "a"))
			synctest.Wait()
			ends := srv.Inject(zktest.Rule{Op: "getData", Session: s.Status().ID, Delay: time.Second, Nth: 1})
			stepDown(t, f.election(far, "far"))
			if err := errors.Join(use(term), term.Err()); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			ends()
			resign(t, term)
		}
	})
}

// Nodes of other programs and of Curator's Revoker.
func TestCandidateData(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		s := target.Session(t)
		e := f.election(s, "ours")
		node := map[string]string{"line": path + "/_c_46b1ea9d-0b3a-4a2e-b6e9-0a2d3a1f8c55-latch-0000000007", "fixed": path + "/master"}[f.name]
		for _, test := range []struct {
			node    string
			want    election.Candidate
			hasData bool
			asked   string // the node's data after StepDown
		}{
			{"x", election.Candidate{ID: "x"}, false, "x\n__REVOKE__"},
			{"", election.Candidate{}, false, "\n__REVOKE__"},
			{"x\n", election.Candidate{ID: "x"}, true, "x\n__REVOKE__\n"},
			{"x\na\nb", election.Candidate{ID: "x", Data: []byte("a\nb")}, true, "x\n__REVOKE__\na\nb"},
			{"x\na\n__REVOKE__", election.Candidate{ID: "x", Data: []byte("a\n__REVOKE__")}, true, "x\n__REVOKE__\na\n__REVOKE__"},
			{"x\n__REVOKE__s", election.Candidate{ID: "x", Data: []byte("__REVOKE__s")}, true, "x\n__REVOKE__\n__REVOKE__s"},
			{"x\n__REVOKE__", election.Candidate{ID: "x", Revoked: true}, false, "x\n__REVOKE__"},
			{"x\n__REVOKE__\n", election.Candidate{ID: "x", Revoked: true}, true, "x\n__REVOKE__\n"},
			{"__REVOKE__", election.Candidate{Revoked: true}, false, "__REVOKE__"},
		} {
			_, st, err := s.Create(t.Context(), node, []byte(test.node), session.Ephemeral(), session.Parents())
			if err != nil {
				t.Fatal(err)
			}
			cs := candidates(t, e)
			if len(cs) != 1 || cs[0].ID != test.want.ID || string(cs[0].Data) != string(test.want.Data) || (cs[0].Data != nil) != test.hasData || cs[0].Revoked != test.want.Revoked || cs[0].Token != st.Czxid {
				t.Errorf("of %q: %+v", test.node, cs)
			}
			stepDown(t, e, cs...)
			if got, _, err := s.Get(t.Context(), node); err != nil || string(got) != test.asked {
				t.Errorf("%q became %q (%v)", test.node, got, err)
			}
			if err := s.Delete(t.Context(), node, session.AnyVersion); err != nil {
				t.Fatal(err)
			}
		}

		term := campaign(t, e)
		if _, err := s.Set(t.Context(), term.Path(), []byte("__REVOKE__"), session.AnyVersion); err != nil { // as Curator's Revoker does
			t.Fatal(err)
		}
		<-term.Revoked()
		if _, err := f.election(s, "other").TryCampaign(t.Context()); !errors.Is(err, election.ErrOtherLeader) || strings.Contains(err.Error(), "__REVOKE__") {
			t.Errorf("TryCampaign: %v", err)
		}
		proclaim(t, term, "here")
		if got := data(t, s, term); got != "ours\n__REVOKE__\nhere" {
			t.Errorf("the node holds %q", got)
		}
		resign(t, term)
	})
}

// Data that would be taken for a request is refused.
func TestDataIsNoRequest(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		s := zktest.Open(t).Session(t)
		term := campaign(t, f.election(s, "a"))
		for _, d := range []string{"__REVOKE__", "__REVOKE__\n", "__REVOKE__\nx"} {
			if err := term.Proclaim(t.Context(), []byte(d)); !errors.Is(err, session.ErrInvalid) {
				t.Errorf("Proclaim of %q: %v", d, err)
			}
			if _, err := f.election(s, "b", election.WithData([]byte(d))).TryCampaign(t.Context()); !errors.Is(err, session.ErrInvalid) {
				t.Errorf("a campaign with %q: %v", d, err)
			}
		}
		if _, err := f.election(s, "__REVOKE__").TryCampaign(t.Context()); !errors.Is(err, session.ErrInvalid) {
			t.Errorf("a campaign with the id: %v", err)
		}
		proclaim(t, term, "__REVOKE__s")
		notRevoked(t, "the leader", term)
		resign(t, term)
	})
}

func TestStepDownBadInput(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		s := zktest.Open(t).Session(t)
		if _, _, err := s.Create(t.Context(), "/app/data", []byte("precious"), session.Parents()); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{"", "/app/data", "/other/x-latch-0000000000", path, path + "/garbage", "/other/master"} {
			err := f.election(s, "a").StepDown(t.Context(), election.Candidate{Path: p})
			var oe *session.OpError
			if !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) || oe.Path != p {
				t.Errorf("StepDown of %q: %v", p, err)
			}
		}
		if data, _, err := s.Get(t.Context(), "/app/data"); err != nil || string(data) != "precious" {
			t.Errorf("%q, %v", data, err)
		}
		bad := f.at(s, "x", "a")
		_, err := bad.Candidates(t.Context())
		for what, err := range map[string]error{"StepDown": bad.StepDown(t.Context()), "Candidates": err} {
			if !errors.Is(err, session.ErrInvalid) {
				t.Errorf("%s at a bad path: %v", what, err)
			}
		}
	})
	s := zktest.Open(t).Session(t)
	bad := election.New(s, path, election.WithFixedNode("a/b"))
	_, err := bad.Candidates(t.Context())
	for what, err := range map[string]error{
		"StepDown": bad.StepDown(t.Context()), "Candidates": err,
		"StepDown of a candidate": bad.StepDown(t.Context(), election.Candidate{Path: path + "/a/b"}),
	} {
		if !errors.Is(err, session.ErrInvalid) {
			t.Errorf("%s with a bad name: %v", what, err)
		}
	}
}

// Run does nothing when the leader is asked. Its function sees the request.
func TestRunWhenAsked(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		s, far := target.Session(t), target.Session(t)
		done := errors.New("handed over")
		err := f.election(s, "a").Run(t.Context(), func(ctx context.Context, term *election.Term) error {
			stepDown(t, f.election(far, "far"))
			<-term.Revoked()
			if err := errors.Join(ctx.Err(), term.Err(), term.Verify(ctx)); err != nil {
				t.Errorf("the request has ended the term: %v", err)
			}
			return done
		})
		if !errors.Is(err, done) {
			t.Errorf("Run: %v", err)
		}
		testkit.Sync(t, s, far)
		if cs := candidates(t, f.election(far, "far")); cs != nil {
			t.Errorf("candidates are left: %+v", cs)
		}
	})
}

func TestStepDownRequests(t *testing.T) {
	eachFormVirtually(t, func(t *testing.T, f form) {
		srv := zktest.New(t)
		s, far := srv.Session(t), srv.Session(t)
		e := f.election(far, "far")
		term := campaign(t, f.election(s, "a"))
		stepDown(t, e) // creates the parents of the receipts
		resign(t, term)
		term = campaign(t, f.election(s, "a"))
		ops := func(id int64) string {
			synctest.Wait()
			var names []string
			for _, r := range srv.Requests() {
				if r.Session == id {
					names = append(names, r.Op)
				}
			}
			srv.ResetRequests()
			return strings.Join(names, " ")
		}
		ops(0)
		cs := candidates(t, e)
		if got, want := ops(far.Status().ID), map[string]string{"line": "getChildren2 getData", "fixed": "getData"}[f.name]; got != want {
			t.Errorf("Candidates sent %s", got)
		}
		stepDown(t, e, cs...)
		if got := ops(far.Status().ID); got != "getData multi" {
			t.Errorf("StepDown of a candidate sent %s", got)
		}
		stepDown(t, e)
		if got, want := ops(far.Status().ID), map[string]string{"line": "sync getChildren2 getData", "fixed": "sync getData"}[f.name]; got != want {
			t.Errorf("StepDown of a leader that was asked before sent %s", got)
		}
		proclaim(t, term, "x")                                   // the term has seen the request
		if got := ops(s.Status().ID); got != "setData getData" { // the watch of its own node is set again
			t.Errorf("Proclaim sent %s", got)
		}
		resign(t, term)
	})
}

// A request reaches the leader through connection losses, unless its session ends, and
// Proclaim keeps it.
func TestFaultsOfAskedLeader(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			faulttable.Sample(t, 11, func(s *faulttable.Run) {
				term, err := f.election(s.Faulty, "faulty").Campaign(s.Context())
				if err != nil {
					s.Fatal(err)
				}
				s.Owners.Begin("faulty", term.Token(), term.Context())
				e := f.election(s.Healthy, "healthy")
				if err := e.StepDown(s.Context()); err != nil {
					s.Errorf("StepDown: %v", err)
				}
				ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
				defer cancel()
				proclaimed := term.Proclaim(ctx, []byte("here"))
				if proclaimed != nil && !errors.Is(proclaimed, election.ErrLost) {
					s.Errorf("Proclaim: %v", proclaimed)
				}
				select {
				case <-term.Revoked():
				case <-term.Context().Done():
				case <-time.After(time.Minute):
					s.Error("the leader was not notified")
				}
				cs, err := e.Candidates(s.Context())
				if err != nil {
					s.Errorf("Candidates: %v", err)
				}
				for _, c := range cs { // none if the session has expired
					if c.Token != term.Token() || !c.Revoked || c.ID != "faulty" || proclaimed == nil && string(c.Data) != "here" {
						s.Errorf("a candidate is %+v", c)
					}
				}
				if err := term.Resign(ctx); err != nil && !errors.Is(err, election.ErrLost) {
					s.Errorf("Resign: %v", err)
				}
			})
		})
	}
}

func TestFaultsStepDown(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			faulttable.Sample(t, 11, func(s *faulttable.Run) {
				term, err := f.election(s.Healthy, "healthy").Campaign(s.Context())
				if err != nil {
					s.Fatal(err)
				}
				s.Owners.Begin("healthy", term.Token(), term.Context())
				ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
				defer cancel()
				if err := f.election(s.Faulty, "faulty").StepDown(ctx); err != nil {
					s.Errorf("StepDown: %v", err)
				}
				<-term.Revoked()
				if data, _, err := s.Healthy.Get(ctx, term.Path()); err != nil || string(data) != "healthy\n__REVOKE__" {
					s.Errorf("the node holds %q (%v)", data, err)
				}
				if err := term.Resign(ctx); err != nil {
					s.Errorf("Resign: %v", err)
				}
			})
		})
	}
}
