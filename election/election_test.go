package election_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on the servers that ZKTEST selects.

func TestCampaignAndResign(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		s := target.Session(t)
		e := f.election(s, "a")
		first := campaign(t, e)
		if err := first.Err(); err != nil {
			t.Fatalf("it leads, and Err is %v", err)
		}
		if err := first.Verify(t.Context()); err != nil {
			t.Fatalf("Verify of a leader: %v", err)
		}
		if id := s.Status().ID; first.SessionID() != id {
			t.Errorf("session 0x%x leads, not 0x%x", first.SessionID(), id)
		}
		if st, ok, err := s.Exists(t.Context(), first.Path()); !ok || st.Czxid != first.Token() || st.EphemeralOwner != first.SessionID() {
			t.Errorf("the leader's node %s is %+v (%v)", first.Path(), st, err)
		}
		resign(t, first)
		if err := first.Err(); !errors.Is(err, election.ErrResigned) {
			t.Errorf("Err after Resign is %v", err)
		}
		if err := context.Cause(first.Context()); !errors.Is(err, election.ErrResigned) {
			t.Errorf("cause after Resign is %v", err)
		}
		if err := first.Resign(t.Context()); !errors.Is(err, election.ErrResigned) {
			t.Errorf("second Resign: %v", err)
		}
		if err := first.Verify(t.Context()); !errors.Is(err, election.ErrResigned) {
			t.Errorf("Verify after Resign: %v", err)
		}
		if err := first.Proclaim(t.Context(), nil); !errors.Is(err, election.ErrResigned) {
			t.Errorf("Proclaim after Resign: %v", err)
		}
		second := campaign(t, e)
		if second.Token() <= first.Token() {
			t.Errorf("token %v came after %v", second.Token(), first.Token())
		}
		resign(t, second)
		nothingLeft(t, target, s)
	})
}

// Each term is followed by the next, in order where there is one, and there are never
// two leaders.
func TestHandOver(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		a, b := connect(t, target), connect(t, target)
		holder := campaign(t, f.election(a.Session, "holder"))
		f.contend(t, 1, a, b)
		const n = 8
		var order []int // only the leader writes
		tokens := []session.Zxid{holder.Token()}
		var leading sync.Mutex
		var all sync.WaitGroup
		for i := range n {
			e := f.election([]*client{a, b}[i%2].Session, "candidate")
			all.Go(func() {
				term := campaign(t, e)
				if !leading.TryLock() {
					t.Error("two lead")
				}
				order, tokens = append(order, i), append(tokens, term.Token())
				leading.Unlock()
				if err := term.Resign(t.Context()); err != nil {
					t.Error(err)
				}
			})
			f.contend(t, i+2, a, b)
		}
		resign(t, holder)
		all.Wait()
		if len(order) != n || f.name == "line" && !slices.IsSorted(order) {
			t.Errorf("they led in the order %v", order)
		}
		if !slices.IsSorted(tokens) {
			t.Errorf("tokens %v", tokens)
		}
		nothingLeft(t, target, a.Session, b.Session)
	})
}

func TestTwoCampaignsOfOneSession(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		c := connect(t, target)
		e := f.election(c.Session, "a")
		first := campaign(t, e)
		won := campaigning(t, e)
		f.contend(t, 2, c)
		if err := first.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		select {
		case <-won:
			t.Fatal("two lead")
		default:
		}
		resign(t, first)
		second := <-won
		if second.Token() <= first.Token() {
			t.Errorf("token %v came after %v", second.Token(), first.Token())
		}
		resign(t, second)
	})
}

func TestLeader(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		a, b := target.Session(t), target.Session(t)
		asks := f.election(b, "asks")
		if l, err := leader(t, b, asks); !errors.Is(err, election.ErrNoLeader) {
			t.Errorf("before the first leader: %+v, %v", l, err)
		}

		check := func(term *election.Term, id string, data []byte) {
			t.Helper()
			l, err := leader(t, b, asks)
			if err != nil || l.ID != id || string(l.Data) != string(data) || (l.Data == nil) != (data == nil) || l.Token != term.Token() {
				t.Errorf("leader %+v, want %s with %q and %v (%v)", l, id, data, term.Token(), err)
			}
		}
		term := campaign(t, f.election(a, "plain"))
		check(term, "plain", nil)
		for _, data := range []string{"", "x", "two\nlines\n"} {
			if err := term.Proclaim(t.Context(), []byte(data)); err != nil {
				t.Fatal(err)
			}
			check(term, "plain", []byte(data))
			if err := term.Verify(t.Context()); err != nil {
				t.Errorf("after Proclaim: %v", err)
			}
		}
		if err := term.Proclaim(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		check(term, "plain", nil)
		resign(t, term)
		if l, err := leader(t, b, asks); !errors.Is(err, election.ErrNoLeader) {
			t.Errorf("after Resign: %+v, %v", l, err)
		}

		data := []byte("here:80")
		e := f.election(a, "with data", election.WithData(data))
		data[0] = 'X' // the caller may reuse it
		term = campaign(t, e)
		check(term, "with data", []byte("here:80"))
		resign(t, term)
	})
}

func TestDefaultID(t *testing.T) {
	s := zktest.Open(t).Session(t)
	e := election.New(s, path)
	term := campaign(t, e)
	if l, err := e.Leader(t.Context()); err != nil || !strings.Contains(l.ID, ":") {
		t.Errorf("the default id is %q (%v)", l.ID, err)
	}
	resign(t, term)
}

func TestInvalidID(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		s := target.Session(t)
		for _, id := range []string{"", "\n", "a\nb"} {
			e := f.election(s, id)
			if _, err := e.Campaign(t.Context()); !errors.Is(err, election.ErrInvalidID) {
				t.Errorf("Campaign with the id %q: %v", id, err)
			}
			err := e.Run(t.Context(), func(context.Context, *election.Term) error { return nil })
			if !errors.Is(err, election.ErrInvalidID) {
				t.Errorf("Run with the id %q: %v", id, err)
			}
		}
		if _, ok, err := s.Exists(t.Context(), "/app"); ok || err != nil {
			t.Errorf("something was created (%v)", err)
		}
	})
}

func TestValuesOfContext(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		s := zktest.Open(t).Session(t)
		type key struct{}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		term, err := f.election(s, "a").Campaign(ctx)
		if err != nil {
			t.Fatal(err)
		}
		cancel() // bounds the campaign, not the term
		if term.Context().Value(key{}) != "value" || term.Context().Err() != nil || term.Err() != nil {
			t.Errorf("the term's context has %v and %v", term.Context().Value(key{}), term.Err())
		}
		resign(t, term)
	})
}

func TestOperatorDeletesLeader(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		a, b := connect(t, target), connect(t, target)
		term := campaign(t, f.election(a.Session, "a"))
		f.contend(t, 1, a, b)
		won := campaigning(t, f.election(b.Session, "b"))
		f.contend(t, 2, a, b)
		if err := b.Delete(t.Context(), term.Path(), session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		testkit.AwaitDoneSoon(t, term.Context())
		if err := term.Err(); !errors.Is(err, election.ErrLost) || !errors.Is(err, session.ErrNoNode) {
			t.Errorf("the leader was notified of %v", err)
		}
		next := <-won
		for name, err := range map[string]error{
			"Proclaim": term.Proclaim(t.Context(), []byte("I still lead")),
			"Verify":   term.Verify(t.Context()),
			"Resign":   term.Resign(t.Context()),
		} {
			if !errors.Is(err, election.ErrLost) {
				t.Errorf("%s of a lost term: %v", name, err)
			}
		}
		if next.Token() <= term.Token() {
			t.Errorf("token %v came after %v", next.Token(), term.Token())
		}
		if l, err := leader(t, b.Session, f.election(b.Session, "b")); err != nil || l.ID != "b" || l.Data != nil || l.Token != next.Token() {
			t.Errorf("leader %+v (%v)", l, err)
		}
		resign(t, next)
		nothingLeft(t, target, a.Session, b.Session)
	})
}

// A term that was lost, without a notification to its holder yet, reports the loss at
// the next call.
func TestProclaimAfterLoss(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		s := target.Session(t)
		for range 20 {
			term := campaign(t, f.election(s, "a"))
			if err := s.Delete(t.Context(), term.Path(), session.AnyVersion); err != nil {
				t.Fatal(err)
			}
			err := term.Proclaim(t.Context(), []byte("x"))
			if !errors.Is(err, election.ErrLost) || !errors.Is(term.Err(), election.ErrLost) {
				t.Fatalf("Proclaim of a lost term: %v, and Err is %v", err, term.Err())
			}
		}
		nothingLeft(t, target, s)
	})
}

func TestGuard(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		s := zktest.Open(t).Session(t)
		if _, _, err := s.Create(t.Context(), "/data", nil); err != nil {
			t.Fatal(err)
		}
		term := campaign(t, f.election(s, "a"))
		write := session.OpSet("/data", []byte("x"), session.AnyVersion)
		if _, err := s.Txn(t.Context(), append(term.Guards(), write)...); err != nil {
			t.Fatal(err)
		}
		if err := term.Proclaim(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Txn(t.Context(), append(term.Guards(), write)...); err != nil {
			t.Errorf("a guarded write after Proclaim: %v", err)
		}
		resign(t, term)
		if _, err := s.Txn(t.Context(), append(term.Guards(), write)...); !errors.Is(err, session.ErrNoNode) {
			t.Errorf("a guarded write after Resign: %v", err)
		}
		if _, st, err := s.Get(t.Context(), "/data"); err != nil || st.Version != 2 {
			t.Errorf("version %d after two guarded writes that were allowed (%v)", st.Version, err)
		}
	})
}

func TestCloseEndsTerms(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		c := connect(t, target)
		e := f.election(c.Session, "a")
		term := campaign(t, e)
		f.contend(t, 1, c)
		waiting := make(chan error)
		go func() {
			_, err := e.Campaign(context.Background())
			waiting <- err
		}()
		running := make(chan error)
		go func() {
			running <- e.Run(context.Background(), func(context.Context, *election.Term) error { return nil })
		}()
		f.contend(t, 3, c)
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		testkit.AwaitDoneSoon(t, term.Context())
		if !errors.Is(term.Err(), election.ErrLost) || !errors.Is(term.Err(), session.ErrClosed) {
			t.Errorf("the term ended with %v", term.Err())
		}
		if err := <-waiting; !errors.Is(err, session.ErrClosed) {
			t.Errorf("a waiting Campaign returned %v", err)
		}
		if err := <-running; !errors.Is(err, session.ErrClosed) {
			t.Errorf("a waiting Run returned %v", err)
		}
		if _, err := e.Campaign(t.Context()); !errors.Is(err, session.ErrClosed) {
			t.Errorf("Campaign on a closed session: %v", err)
		}
		if _, err := e.Leader(t.Context()); !errors.Is(err, session.ErrClosed) {
			t.Errorf("Leader on a closed session: %v", err)
		}
		for _, err := range e.Observe(t.Context()) {
			if !errors.Is(err, session.ErrClosed) {
				t.Errorf("Observe on a closed session: %v", err)
			}
		}
		nothingLeft(t, target)
	})
}

func TestNoAuth(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		s := zktest.Open(t).Session(t)
		for p, perm := range map[string]session.Perm{"/locked": session.PermRead, "/hidden": session.PermCreate | session.PermDelete | session.PermAdmin} {
			acl := session.ACLs(session.ACL{Perms: perm, Scheme: "world", ID: "anyone"})
			if _, _, err := s.Create(t.Context(), p, nil, acl); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range []string{"/locked", "/locked/deeper/election"} {
			e := f.at(s, p, "a")
			if _, err := e.Campaign(context.Background()); !errors.Is(err, session.ErrNoAuth) {
				t.Errorf("Campaign at %s, where nothing may be created: %v", p, err)
			}
			err := e.Run(context.Background(), func(context.Context, *election.Term) error { return nil })
			if !errors.Is(err, session.ErrNoAuth) {
				t.Errorf("Run at %s, where nothing may be created: %v", p, err)
			}
		}
		if f.name == "fixed" { // the children may be read where they may not be listed
			hidden := session.ACLs(session.ACL{Perms: session.PermWrite, Scheme: "world", ID: "anyone"})
			if _, _, err := s.Create(t.Context(), "/hidden/master", nil, hidden); err != nil {
				t.Fatal(err)
			}
		}
		e := f.at(s, "/hidden", "a")
		if _, err := e.Leader(context.Background()); !errors.Is(err, session.ErrNoAuth) {
			t.Errorf("Leader where nothing may be read: %v", err)
		}
		n := 0
		for _, err := range e.Observe(context.Background()) {
			if n++; !errors.Is(err, session.ErrNoAuth) {
				t.Errorf("Observe where nothing may be read: %v", err)
			}
		}
		if n != 1 {
			t.Errorf("Observe yielded %d times", n)
		}
		if err := s.Delete(t.Context(), "/hidden/master", session.AnyVersion); err != nil && !errors.Is(err, session.ErrNoNode) {
			t.Fatal(err)
		}
		if _, err := s.SetACL(t.Context(), "/hidden", session.OpenACL(), session.AnyVersion); err != nil { // so that it can be deleted
			t.Fatal(err)
		}
	})
}

func TestBadPath(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		s := zktest.Open(t).Session(t)
		refused := func(what string, err error) {
			t.Helper()
			var oe *session.OpError
			if !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) {
				t.Errorf("%s: %v", what, err)
			}
		}
		for _, p := range []string{"", "a", "/a/", "/a//b", "/a/../b", "/a/\x00", "/a/./b", "/\ufff0"} {
			e := f.at(s, p, "a")
			_, err := e.Campaign(t.Context())
			refused("Campaign at "+p, err)
			_, err = e.Leader(t.Context())
			refused("Leader at "+p, err)
			for _, err := range e.Observe(t.Context()) {
				refused("Observe at "+p, err)
				if err == nil {
					break
				}
			}
		}
		for _, opt := range []election.Option{
			election.WithID(strings.Repeat("x", 1<<20)), election.WithData(make([]byte, 1<<20)),
		} {
			_, err := f.election(s, "a", opt).Campaign(t.Context())
			refused("Campaign with 1 MB", err)
		}
		term := campaign(t, f.election(s, "a"))
		refused("Proclaim of 1 MB", term.Proclaim(t.Context(), make([]byte, 1<<20)))
		if err := term.Verify(t.Context()); err != nil {
			t.Errorf("after a Proclaim that was refused: %v", err)
		}
		resign(t, term)
	})
}

func TestBadFixedName(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for _, name := range []string{"", "a/b", "/", ".", "..", "a\x00"} {
		e := election.New(s, path, election.WithFixedNode(name))
		if _, err := e.Campaign(t.Context()); !errors.Is(err, session.ErrInvalid) {
			t.Errorf("Campaign for the node %q: %v", name, err)
		}
		if _, err := e.Leader(t.Context()); !errors.Is(err, session.ErrInvalid) {
			t.Errorf("Leader by the node %q: %v", name, err)
		}
	}
}

// A chroot or the root can be the path of an election.
func TestAtRoot(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		s := target.Session(t, session.WithChroot("/some/where"))
		e := f.at(s, "/", "a")
		term := campaign(t, e)
		if l, err := e.Leader(t.Context()); err != nil || l.ID != "a" {
			t.Errorf("leader %+v (%v)", l, err)
		}
		resign(t, term)
		nothingLeft(t, target, s)
	})
}

func TestForeignChildren(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		s := zktest.Open(t).Session(t)
		names := []string{"0", "garbage", "x-latch-", "x-latch-12", "x-latch-99999999999", "x-latch-000000000a", "-lock-0000000000", "master-0000000000"}
		for _, name := range names {
			if _, _, err := s.Create(t.Context(), path+"/"+name, nil, session.Parents()); err != nil {
				t.Fatal(err)
			}
		}
		e := f.election(s, "a")
		if _, err := e.Leader(t.Context()); !errors.Is(err, election.ErrNoLeader) {
			t.Errorf("Leader among strangers: %v", err)
		}
		term := campaign(t, e)
		if l, err := e.Leader(t.Context()); err != nil || l.Token != term.Token() {
			t.Errorf("leader %+v (%v)", l, err)
		}
		resign(t, term)
		if got := testkit.Children(t, s, path); len(got) != len(names) {
			t.Errorf("left are %v", got)
		}
	})
}

func TestCanceledCampaignsLeaveNothing(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		a, b := connect(t, target), connect(t, target)
		term := campaign(t, f.election(a.Session, "leader"))
		f.contend(t, 1, a, b)
		const n = 200
		ctx, cancel := context.WithCancelCause(t.Context())
		enough := errors.New("enough")
		var all sync.WaitGroup
		for i := range n {
			e := f.election([]*client{a, b}[i%2].Session, "waits")
			all.Go(func() {
				var oe *session.OpError
				if _, err := e.Campaign(ctx); !errors.Is(err, enough) || !errors.As(err, &oe) {
					t.Errorf("Campaign: %v", err)
				}
			})
		}
		f.contend(t, n+1, a, b)
		cancel(enough)
		all.Wait()
		if err := term.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		for len(testkit.Children(t, a.Session, path)) > 1 { // until the last is deleted, in the background
		}
		if err := b.Sync(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
		if n := target.WatchesLeft(t); n > 1 { // the leader's, on its own node
			t.Errorf("%d watches are left while there is a leader", n)
		}
		resign(t, term)
		nothingLeft(t, target, a.Session, b.Session)

		if _, err := f.election(a.Session, "too late").Campaign(ctx); !errors.Is(err, enough) {
			t.Errorf("Campaign with a context that has ended: %v", err)
		}
		nothingLeft(t, target, a.Session)
	})
}

// Campaigns that are canceled at any moment leave no node.
func TestCampaignsCanceledAtOnce(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		s := target.Session(t)
		e := f.election(s, "a")
		resign(t, campaign(t, e))
		var all sync.WaitGroup
		for range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			all.Go(func() {
				if term, err := e.Campaign(ctx); err == nil {
					term.Resign(context.Background())
				} else if !errors.Is(err, context.Canceled) {
					t.Errorf("Campaign: %v", err)
				}
			})
			all.Go(cancel)
		}
		all.Wait()
		for len(testkit.Children(t, s, path)) > 0 {
		}
		nothingLeft(t, target, s)
	})
}
