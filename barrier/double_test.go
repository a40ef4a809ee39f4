package barrier_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on whatever ZKTEST selects.

// Nobody enters before everybody has come, all enter the same round, and the next
// round is another.
func TestEnterTogether(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "value")
	var last session.Zxid
	for range 3 {
		var cs []<-chan entered
		for i, s := range []*session.Session{a, b, a} { // two of one session
			cs = append(cs, entering(ctx, barrier.NewDouble(s, path, 3)))
			if i < 2 {
				there(t, a, i+1)
				for _, c := range cs {
					select {
					case e := <-c:
						t.Fatalf("entered with %d of 3: %+v", i+1, e)
					default:
					}
				}
			}
		}
		var es []*barrier.Entry
		for _, c := range cs {
			es = append(es, in(t, c))
		}
		for _, e := range es {
			if e.Round() != es[0].Round() || e.Round() <= last {
				t.Errorf("round %v, of others %v, after %v", e.Round(), es[0].Round(), last)
			}
			if e.Context().Value(key{}) != "value" || e.Context().Err() != nil {
				t.Error("the entry's context is not as it should be")
			}
			if _, err := a.Txn(ctx, e.Guard()); err != nil {
				t.Errorf("Guard of an entry: %v", err)
			}
		}
		last = es[0].Round()
		out(t, es...)
		for _, e := range es {
			if err := e.Err(); !errors.Is(err, barrier.ErrLeft) {
				t.Errorf("Err after Leave is %v", err)
			}
			if err := context.Cause(e.Context()); !errors.Is(err, barrier.ErrLeft) {
				t.Errorf("cause after Leave is %v", err)
			}
			if err := e.Leave(ctx); !errors.Is(err, barrier.ErrLeft) {
				t.Errorf("second Leave: %v", err)
			}
			if _, err := a.Txn(ctx, e.Guard()); !errors.Is(err, session.ErrNoNode) {
				t.Errorf("Guard after Leave: %v", err)
			}
		}
	}
	clean(t, target, a, b)
}

func TestOneMember(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	for range 2 {
		out(t, in(t, entering(t.Context(), barrier.NewDouble(s, path, 1))))
	}
	clean(t, target, s)
}

// Many rounds of members who go from one to the next as fast as they can.
func TestRounds(t *testing.T) {
	target := zktest.Open(t)
	const n, rounds = 5, 10
	var ss []*session.Session
	var mu sync.Mutex
	inside := map[session.Zxid]int{}
	var all sync.WaitGroup
	for i := range n {
		if i < 3 {
			ss = append(ss, target.Session(t))
		}
		d := barrier.NewDouble(ss[i%3], path, n)
		all.Go(func() {
			var last session.Zxid
			for range rounds {
				e, err := d.Enter(t.Context())
				if err != nil {
					t.Errorf("Enter: %v", err)
					return
				}
				if e.Round() <= last {
					t.Errorf("round %v came after %v", e.Round(), last)
				}
				last = e.Round()
				mu.Lock()
				inside[last]++
				mu.Unlock()
				if err := e.Leave(t.Context()); err != nil {
					t.Errorf("Leave: %v", err)
				}
				mu.Lock()
				if inside[last] != n {
					t.Errorf("left round %v when %d of %d had entered it", last, inside[last], n)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(inside) != rounds {
		t.Errorf("there were %d rounds", len(inside))
	}
	clean(t, target, ss...)
}

// Leave returns when the last has left. Whoever comes meanwhile takes a place that
// is free, waits for the stragglers to go, and is not let in because of them.
func TestLeaveTogether(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	d := barrier.NewDouble(s, path, 3)
	cs := []<-chan entered{entering(t.Context(), d), entering(t.Context(), d), entering(t.Context(), d)}
	first, second, third := in(t, cs[0]), in(t, cs[1]), in(t, cs[2])
	if _, err := d.Enter(t.Context()); !errors.Is(err, barrier.ErrFull) {
		t.Errorf("a fourth of 3: %v", err)
	}
	left := []<-chan error{leaving(t.Context(), first), leaving(t.Context(), second)}
	there(t, s, 2) // the third and ready
	newcomers := []<-chan entered{entering(t.Context(), d), entering(t.Context(), d)}
	there(t, s, 4)
	if _, err := d.Enter(t.Context()); !errors.Is(err, barrier.ErrFull) {
		t.Errorf("a fourth, with one of the old round: %v", err)
	}
	for _, c := range left {
		select {
		case err := <-c:
			t.Errorf("Leave returned %v while one is inside", err)
		default:
		}
	}
	if err := third.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	for _, c := range left {
		if err := await(t, c); err != nil {
			t.Errorf("Leave: %v", err)
		}
	}
	es := []*barrier.Entry{in(t, entering(t.Context(), d)), in(t, newcomers[0]), in(t, newcomers[1])}
	for _, e := range es {
		if e.Round() != es[0].Round() || e.Round() <= first.Round() {
			t.Errorf("round %v, of another %v, after %v", e.Round(), es[0].Round(), first.Round())
		}
	}
	out(t, es...)
	clean(t, target, s)
}

// A member that gives up is no longer counted, and leaves nothing.
func TestCancelledEnterDoesNotCount(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := entering(ctx, barrier.NewDouble(a, path, 2))
	there(t, b, 1)
	cancel(enough)
	var oe *session.OpError
	if e := await(t, c); !errors.Is(e.err, enough) || errors.Is(e.err, session.ErrUnknown) || !errors.As(e.err, &oe) || oe.Path != path {
		t.Fatalf("Enter: %v", e.err)
	}
	clean(t, target, a, b)
	c = entering(t.Context(), barrier.NewDouble(b, path, 2))
	there(t, a, 1)
	select {
	case e := <-c:
		t.Errorf("one of 2 has entered: %+v", e)
	default:
	}
	out(t, in(t, entering(t.Context(), barrier.NewDouble(a, path, 2))), in(t, c))
	clean(t, target, a, b)
}

// When the context of Leave ends, the member has left all the same.
func TestCancelledLeave(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	c := entering(t.Context(), barrier.NewDouble(a, path, 2))
	there(t, b, 1)
	eb := in(t, entering(t.Context(), barrier.NewDouble(b, path, 2)))
	ea := in(t, c)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	left := leaving(ctx, ea)
	there(t, b, 2) // the other and ready
	cancel(enough)
	var oe *session.OpError
	if err := await(t, left); !errors.Is(err, enough) || !errors.As(err, &oe) {
		t.Errorf("Leave: %v", err)
	}
	if err := ea.Err(); !errors.Is(err, barrier.ErrLeft) {
		t.Errorf("Err is %v", err)
	}
	out(t, eb)
	clean(t, target, a, b)
}

// Somebody removes the node of a member that waits: it comes again. The whole path
// goes: so it does.
func TestNodeRemovedWhileWaiting(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	c := entering(t.Context(), barrier.NewDouble(a, path, 2))
	there(t, b, 1)
	for i := range 4 {
		names := children(t, b)
		ops := []session.Op{session.OpDelete(path+"/"+names[0], session.AnyVersion)}
		if i%2 == 1 {
			waits(t, target, a) // it knows then that the path went untouched
			ops = append(ops, session.OpDelete(path, session.AnyVersion))
		}
		if _, err := b.Txn(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
		for now := names; len(now) != 1 || now[0] == names[0]; now = children(t, b) {
		}
	}
	out(t, in(t, entering(t.Context(), barrier.NewDouble(b, path, 2))), in(t, c))
	clean(t, target, a, b)
}

// Somebody removes the node of a member that is in a round: it hears of it, and
// the others do not wait for it when they leave.
func TestNodeRemovedInRound(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	c := entering(t.Context(), barrier.NewDouble(a, path, 2))
	there(t, b, 1)
	eb := in(t, entering(t.Context(), barrier.NewDouble(b, path, 2)))
	ea := in(t, c)
	left := leaving(t.Context(), eb)
	there(t, b, 2) // the other and ready
	if err := b.Delete(t.Context(), ea.Path(), session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	await(t, ea.Context().Done())
	if err := ea.Err(); !errors.Is(err, barrier.ErrLost) || !errors.Is(err, session.ErrNoNode) {
		t.Errorf("Err is %v", err)
	}
	if err := ea.Leave(t.Context()); !errors.Is(err, barrier.ErrLost) {
		t.Errorf("Leave: %v", err)
	}
	if err := await(t, left); err != nil {
		t.Errorf("Leave of the other: %v", err)
	}
	clean(t, target, a, b)
}

// Curator's fault 3.18: a ready that a crash has left lets nobody through, whether
// it is of this library or of another, and the round after it starts clean.
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
			there(t, b, 2) // ready has been removed
			for _, c := range cs {
				select {
				case e := <-c:
					t.Errorf("entered with 2 of 3: %+v", e)
				default:
				}
			}
			out(t, in(t, entering(t.Context(), barrier.NewDouble(b, path, 3))), in(t, cs[0]), in(t, cs[1]))
			clean(t, target, a, b)
		})
	}
}

// What else lies below the path is left alone and not counted.
func TestForeignChildren(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	if _, _, err := s.Create(t.Context(), path, []byte("127.0.0.1"), session.Parents()); err != nil {
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
		there(t, s, len(foreign)+1)
		select {
		case e := <-c:
			t.Errorf("one of 2 has entered: %+v", e)
		default:
		}
		// Somebody writes to the path meanwhile, something that is no record.
		for _, data := range []string{"", "round", "x\nround\n"} {
			if _, err := s.Set(t.Context(), path, []byte(data), session.AnyVersion); err != nil {
				t.Fatal(err)
			}
		}
		out(t, in(t, entering(t.Context(), d)), in(t, c))
		there(t, s, len(foreign))
	}
}

// Programs that follow the ZooKeeper recipes create ready when they have counted
// enough, and whoever waits goes on, also if it has been removed again meanwhile.
func TestForeignReady(t *testing.T) {
	for _, kept := range []bool{true, false} {
		t.Run(fmt.Sprintf("kept %v", kept), func(t *testing.T) {
			target := zktest.Open(t)
			s, foreign := target.Session(t), target.Session(t)
			c := entering(t.Context(), barrier.NewDouble(s, path, 2))
			there(t, foreign, 1)
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
			for len(children(t, foreign)) > 2 {
			}
			select {
			case err := <-left:
				t.Errorf("Leave returned %v while the other is inside", err)
			default:
			}
			if err := foreign.Delete(t.Context(), theirs, session.AnyVersion); err != nil {
				t.Fatal(err)
			}
			if err := await(t, left); err != nil {
				t.Errorf("Leave: %v", err)
			}
			clean(t, target, s, foreign)
		})
	}
}

// waits waits until one who waits watches all that it does.
func waits(t testing.TB, target *zktest.Target, s *session.Session) {
	t.Helper()
	for end := time.Now().Add(patience); target.Watches(t) < 3; {
		if time.Now().After(end) {
			t.Fatal("nobody waits")
		}
		if err := s.Sync(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
	}
}

// A round that another library has begun is not ours to enter when it is full, nor
// when we have come after it.
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
	there(t, foreign, 3)
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
	clean(t, target, s, foreign)
}

// The synchronising queue of the articles.
func TestSynchronizing(t *testing.T) {
	target := zktest.Open(t)
	s, article := target.Session(t), target.Session(t)
	d := barrier.NewDouble(s, path, 3, barrier.WithLayout(barrier.Synchronizing))
	cs := []<-chan entered{entering(t.Context(), d), entering(t.Context(), d)}
	there(t, s, 2)
	for _, name := range children(t, s) {
		if !strings.HasPrefix(name, "member_") {
			t.Errorf("a member is called %s", name)
		}
	}
	es := []*barrier.Entry{in(t, entering(t.Context(), d)), in(t, cs[0]), in(t, cs[1])}
	if names := children(t, s); len(names) != 4 || names[3] != "start" {
		t.Errorf("in a round there are %v", names)
	}
	out(t, es...)

	// A program of the article: it counts, and creates start.
	cs = []<-chan entered{entering(t.Context(), d), entering(t.Context(), d)}
	there(t, s, 2)
	ep, err := article.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	theirs, _, err := ep.Create(t.Context(), path+"/member_", nil, session.Ephemeral(), session.Sequential())
	if err != nil {
		t.Fatal(err)
	}
	there(t, article, 3)
	if _, _, err := article.Create(t.Context(), path+"/start", nil); err != nil {
		t.Fatal(err)
	}
	a, b := in(t, cs[0]), in(t, cs[1])
	if err := article.Delete(t.Context(), theirs, session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	out(t, a, b)
	clean(t, target, s, article)
}

func TestBadInput(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for _, n := range []int{0, -1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a double barrier of %d", n)
				}
			}()
			barrier.NewDouble(s, path, n)
		}()
	}
	for _, p := range []string{"", "app", "/app/", "/app//b", "/a\x00b", "/app/../b"} {
		_, err := barrier.NewDouble(s, p, 2).Enter(t.Context())
		b := barrier.New(s, p)
		_, raisedErr := b.Raised(t.Context())
		for what, err := range map[string]error{
			"Enter": err, "Raise": b.Raise(t.Context()), "Lower": b.Lower(t.Context()), "Wait": b.Wait(t.Context()), "Raised": raisedErr,
		} {
			var oe *session.OpError
			if !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) {
				t.Errorf("%s at %q: %v", what, p, err)
			}
		}
	}
	for n, want := range map[int]error{5000: context.DeadlineExceeded, 1 << 15: session.ErrInvalid} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := barrier.NewDouble(s, path, n).Enter(ctx); !errors.Is(err, want) {
			t.Errorf("Enter of %d: %v", n, err)
		}
	}
}

// What waiting does not mend reaches the caller at once.
func TestNotAuthorised(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	acl := session.ACLs(session.ACL{Perms: session.PermRead | session.PermCreate | session.PermDelete, Scheme: "world", ID: "anyone"})
	if _, _, err := s.Create(t.Context(), "/app", nil); err != nil {
		t.Fatal(err)
	}
	// Members may come, but nobody may write down who is in the round.
	if _, _, err := s.Create(t.Context(), path, nil, acl); err != nil {
		t.Fatal(err)
	}
	d := barrier.NewDouble(s, path, 2)
	ctx, cancel := context.WithCancel(t.Context())
	c := entering(ctx, d)
	there(t, s, 1)
	if _, err := d.Enter(t.Context()); !errors.Is(err, session.ErrNoAuth) || errors.Is(err, session.ErrUnknown) {
		t.Errorf("Enter: %v", err)
	}
	cancel()
	await(t, c)
	clean(t, target, s)
	// Nobody may even come.
	acl = session.ACLs(session.ACL{Perms: session.PermRead, Scheme: "world", ID: "anyone"})
	if _, _, err := s.Create(t.Context(), "/app/closed", nil, acl); err != nil {
		t.Fatal(err)
	}
	if _, err := barrier.NewDouble(s, "/app/closed", 2).Enter(t.Context()); !errors.Is(err, session.ErrNoAuth) {
		t.Errorf("Enter: %v", err)
	}
	if err := barrier.New(s, "/app/closed/barrier").Raise(t.Context()); !errors.Is(err, session.ErrNoAuth) {
		t.Errorf("Raise: %v", err)
	}
	clean(t, target, s)
}

// Curator's fault 3.24: waits that time out leave no watch on the server.
func TestCancelledWaitsLeaveNothing(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	b, d := barrier.New(s, "/app/up"), barrier.NewDouble(s, path, 400)
	if err := b.Raise(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if _, err := d.Enter(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, session.ErrUnknown) {
				t.Errorf("Enter: %v", err)
			}
		})
		all.Go(func() {
			if err := b.Wait(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("Wait: %v", err)
			}
		})
	}
	there(t, s, 200)
	cancel()
	all.Wait()
	goleak.VerifyNone(t, before)
	if err := b.Lower(t.Context()); err != nil {
		t.Error(err)
	}
	clean(t, target, s)
}
