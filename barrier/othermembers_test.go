package barrier_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// What else lies below the path is left alone and not counted.
func TestForeignChildren(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	if _, _, err := s.Create(t.Context(), path, nil, session.Parents()); err != nil {
		t.Fatal(err)
	}
	foreign := []string{"0", "member_1", "start", "readyish", strings.Repeat("z", 36), strings.Repeat("z", 32), strings.ToUpper(session.GUID()), "_c_" + session.GUID() + "-lock-0000000000"}
	for _, name := range foreign {
		if _, _, err := s.Create(t.Context(), path+"/"+name, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	d := barrier.NewDouble(s, path, 2)
	for range 2 {
		c := entering(t.Context(), d)
		testkit.AwaitChildren(t, s, path, len(foreign)+1)
		select {
		case e := <-c:
			t.Errorf("one of 2 has entered: %+v", e)
		default:
		}
		// Somebody writes to the path meanwhile, something that is no record.
		for _, data := range []string{"round", "x\nround\n", ""} {
			if _, err := s.Set(t.Context(), path, []byte(data), session.AnyVersion); err != nil {
				t.Fatal(err)
			}
		}
		out(t, in(t, entering(t.Context(), d)), in(t, c))
		testkit.AwaitChildren(t, s, path, len(foreign))
	}
}

// Programs that follow the ZooKeeper recipes create ready when they have counted
// enough members. Waiters then continue, also if ready has been deleted again.
func TestForeignReady(t *testing.T) {
	for _, kept := range []bool{true, false} {
		t.Run(fmt.Sprintf("kept %v", kept), func(t *testing.T) {
			target := zktest.Open(t)
			s, foreign := target.Session(t), target.Session(t)
			c := entering(t.Context(), barrier.NewDouble(s, path, 2))
			testkit.AwaitChildren(t, foreign, path, 1)
			ep, err := foreign.Epoch(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			theirs := path + "/" + strings.ReplaceAll(session.GUID(), "-", "")
			if _, _, err := ep.Create(t.Context(), theirs, nil, session.Ephemeral()); err != nil {
				t.Fatal(err)
			}
			waits(t, target, s)
			_, st, err := foreign.Create(t.Context(), path+"/ready", nil)
			if err != nil {
				t.Fatal(err)
			}
			if !kept {
				if err := foreign.Delete(t.Context(), path+"/ready", 0); err != nil {
					t.Fatal(err)
				}
			}
			e := in(t, c)
			if got := e.Round(); got != st.Czxid && (kept || got != 0) {
				t.Errorf("round %v, of ready %v", got, st.Czxid)
			}
			left := leaving(t.Context(), e)
			for len(testkit.Children(t, foreign, path)) > 2 {
			}
			select {
			case err := <-left:
				t.Errorf("Leave returned %v while the other is inside", err)
			default:
			}
			if err := foreign.Delete(t.Context(), theirs, session.AnyVersion); err != nil {
				t.Fatal(err)
			}
			if err := testkit.Receive(t, left); err != nil {
				t.Errorf("Leave: %v", err)
			}
			nothingLeft(t, target, s, foreign)
		})
	}
}

// A member does not enter a round of another library that is full or that began before
// the member arrived.
func TestForeignRoundBefore(t *testing.T) {
	target := zktest.Open(t)
	s, foreign := target.Session(t), target.Session(t)
	ep, err := foreign.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var theirs []string
	for range 2 {
		node, _, err := ep.Create(t.Context(), path+"/"+session.GUID(), nil, session.Ephemeral(), session.Parents())
		if err != nil {
			t.Fatal(err)
		}
		theirs = append(theirs, node)
	}
	if _, _, err := foreign.Create(t.Context(), path+"/ready", nil); err != nil {
		t.Fatal(err)
	}
	d := barrier.NewDouble(s, path, 2)
	if _, err := d.Enter(t.Context()); !errors.Is(err, barrier.ErrFull) {
		t.Errorf("Enter: %v", err)
	}
	if err := foreign.Delete(t.Context(), theirs[0], 0); err != nil {
		t.Fatal(err)
	}
	c := entering(t.Context(), d)
	testkit.AwaitChildren(t, foreign, path, 3)
	waits(t, target, s)
	select {
	case e := <-c:
		t.Errorf("entered a round of others: %+v", e)
	default:
	}
	if err := foreign.Delete(t.Context(), theirs[1], 0); err != nil { // and they forget ready
		t.Fatal(err)
	}
	out(t, in(t, entering(t.Context(), d)), in(t, c))
	nothingLeft(t, target, s, foreign)
}

// The synchronizing queue of the articles.
func TestSynchronizing(t *testing.T) {
	target := zktest.Open(t)
	s, article := target.Session(t), target.Session(t)
	d := barrier.NewDouble(s, path, 3, barrier.WithLayout(barrier.Synchronizing))
	cs := []<-chan entered{entering(t.Context(), d), entering(t.Context(), d)}
	testkit.AwaitChildren(t, s, path, 2)
	for _, name := range testkit.Children(t, s, path) {
		if !strings.HasPrefix(name, "member_") {
			t.Errorf("a member is called %s", name)
		}
	}
	es := []*barrier.Entry{in(t, entering(t.Context(), d)), in(t, cs[0]), in(t, cs[1])}
	if names := testkit.Children(t, s, path); len(names) != 4 || names[3] != "start" {
		t.Errorf("in a round there are %v", names)
	}
	out(t, es...)

	// A program of the article: it counts, and creates start.
	cs = []<-chan entered{entering(t.Context(), d), entering(t.Context(), d)}
	testkit.AwaitChildren(t, s, path, 2)
	ep, err := article.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	theirs, _, err := ep.Create(t.Context(), path+"/member_", nil, session.Ephemeral(), session.Sequential())
	if err != nil {
		t.Fatal(err)
	}
	testkit.AwaitChildren(t, article, path, 3)
	if _, _, err := article.Create(t.Context(), path+"/start", nil); err != nil {
		t.Fatal(err)
	}
	a, b := in(t, cs[0]), in(t, cs[1])
	if err := article.Delete(t.Context(), theirs, session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	out(t, a, b)
	nothingLeft(t, target, s, article)
}

// Curator's fault 3.18: a ready node that a crash has left, of this library or of
// another, lets no member through, and the round after it starts clean.
func TestStaleReady(t *testing.T) {
	stale := map[string]func(*testing.T, *session.Session){
		"of a round that has been forgotten": func(*testing.T, *session.Session) {},
		"of a round of ours": func(t *testing.T, s *session.Session) {
			name := session.GUID()
			if _, _, err := s.Create(t.Context(), path+"/"+name, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Txn(t.Context(), session.OpSet(path, []byte("round\n"+name), 0), session.OpCreate(path+"/ready", nil),
				session.OpDelete(path+"/"+name, 0)); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, prepare := range stale {
		t.Run(name, func(t *testing.T) {
			target := zktest.Open(t)
			a, b := target.Session(t), target.Session(t)
			if _, _, err := a.Create(t.Context(), path, nil, session.Parents()); err != nil {
				t.Fatal(err)
			}
			prepare(t, a)
			if _, _, err := a.Create(t.Context(), path+"/ready", nil); err != nil && !errors.Is(err, session.ErrNodeExists) {
				t.Fatal(err)
			}
			d := barrier.NewDouble(a, path, 3)
			cs := []<-chan entered{entering(t.Context(), d), entering(t.Context(), d)}
			testkit.AwaitChildren(t, b, path, 2) // ready has been removed
			for _, c := range cs {
				select {
				case e := <-c:
					t.Errorf("entered with 2 of 3: %+v", e)
				default:
				}
			}
			out(t, in(t, entering(t.Context(), barrier.NewDouble(b, path, 3))), in(t, cs[0]), in(t, cs[1]))
			nothingLeft(t, target, a, b)
		})
	}
}

// Members of other libraries reuse their names. A member that has entered again is not
// taken for one that has not left the last round, neither by a member that leaves it
// nor by one that enters the next.
func TestForeignMemberComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		theirs := path + "/" + session.GUID()
		come := func() {
			if _, _, err := b.Create(t.Context(), theirs, nil, session.Parents()); err != nil {
				t.Fatal(err)
			}
		}
		come()
		for range 3 {
			ea := in(t, member(t.Context(), a, 2))
			left := leaving(t.Context(), ea)
			synctest.Wait()
			select {
			case err := <-left:
				t.Errorf("Leave returned %v while the other is inside", err)
			default:
			}
			if _, err := b.Txn(t.Context(), session.OpDelete(theirs, 0), session.OpCreate(theirs, nil)); err != nil {
				t.Fatal(err)
			}
			if err := testkit.Receive(t, left); err != nil {
				t.Errorf("Leave: %v", err)
			}
		}
	})
}

// Members of another library arrive, and begin a round with a member of this library
// at any moment after its arrival.
func TestForeignReadyAtAnyMoment(t *testing.T) {
	for n := 3; n <= 6; n++ {
		for _, kept := range []bool{true, false} {
			if !kept && n < 6 {
				continue // it has to be seen
			}
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t, zktest.WithTick(tick))
				a, b := testkit.NewCallbackSession(t, srv), srv.Session(t)
				if _, _, err := b.Create(t.Context(), path, nil, session.Parents()); err != nil {
					t.Fatal(err)
				}
				theirs := path + "/" + session.GUID()
				begin := func() {
					ops := []session.Op{session.OpCreate(theirs, nil), session.OpCreate(path+"/ready", nil)}
					if !kept {
						ops = append(ops, session.OpDelete(path+"/ready", 0))
					}
					if _, err := b.Txn(t.Context(), ops...); err != nil {
						t.Error(err)
					}
				}
				a.AtReply(n, begin)
				ca := member(t.Context(), a.Session, 2)
				synctest.Wait()
				if !a.Called() { // there were fewer replies
					a.AtReply(0, nil)
					begin()
				}
				ea := in(t, ca)
				if err := b.Delete(t.Context(), theirs, 0); err != nil {
					t.Fatal(err)
				}
				out(t, ea)
				empty(t, srv)
			})
		}
	}
}
