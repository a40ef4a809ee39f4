package election_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on the servers that ZKTEST selects.

// observer pulls the pairs that Observe yields.
type observer struct {
	testing.TB
	next func() (election.Leader, error, bool)
	stop func()
}

func observe(t testing.TB, e *election.Election) *observer {
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Limit)
	t.Cleanup(cancel)
	o := &observer{TB: t}
	o.next, o.stop = iter.Pull2(e.Observe(ctx))
	return o
}

// wants takes the next pair and checks that it has this leader.
func (o *observer) wants(id, data string, token session.Zxid) {
	o.Helper()
	l, err, ok := o.next()
	if !ok || err != nil || l.ID != id || string(l.Data) != data || l.Token != token {
		o.Fatalf("observed %+v, %v, %v; want %s with %q and %v", l, err, ok, id, data, token)
	}
}

func (o *observer) wantsVacancy() {
	o.Helper()
	o.wants("", "", 0)
}

func proclaim(t testing.TB, term *election.Term, data string) {
	t.Helper()
	if err := term.Proclaim(t.Context(), []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func TestObserve(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		a, b, c := connect(t, target), connect(t, target), connect(t, target)
		o := observe(t, f.election(c.Session, "observes"))
		o.wantsVacancy() // the path does not exist yet
		if _, ok, err := a.Exists(t.Context(), "/app"); ok || err != nil {
			t.Errorf("Observe has created something (%v)", err)
		}
		first := campaign(t, f.election(a.Session, "first"))
		o.wants("first", "", first.Token())
		f.contend(t, 1, a, b)
		won := campaigning(t, f.election(b.Session, "second", election.WithData([]byte("2"))))
		f.contend(t, 2, a, b) // other candidates may join and leave unnoticed
		for _, data := range []string{"x", "y"} {
			proclaim(t, first, data)
			o.wants("first", data, first.Token())
		}
		resign(t, first)
		second := <-won
		l, err, ok := o.next()
		if f.name == "fixed" && l.Token == 0 { // the node did not exist for a moment
			l, err, ok = o.next()
		}
		if l.ID != "second" || string(l.Data) != "2" || l.Token != second.Token() || err != nil || !ok {
			t.Errorf("observed %+v, %v", l, err)
		}
		resign(t, second)
		o.wantsVacancy()
		third := campaign(t, f.election(c.Session, "observes"))
		o.wants("observes", "", third.Token())
		o.stop()
		resign(t, third)
		nothingLeft(t, target, a.Session, b.Session, c.Session)
	})
}

func TestObserveCurrentFirst(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		s := zktest.Open(t).Session(t)
		e := f.election(s, "a", election.WithData([]byte("data")))
		term := campaign(t, e)
		o := observe(t, e)
		o.wants("a", "data", term.Token())
		o.stop()
		resign(t, term)
		o = observe(t, e) // the path exists now, without a leader
		o.wantsVacancy()
		o.stop()
	})
}

// A slow reader skips past leaders and receives the present one.
func TestObserveSlowly(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		a, c := target.Session(t), target.Session(t)
		o := observe(t, f.election(c, "observes"))
		o.wantsVacancy()
		var last *election.Term
		for i := range 10 {
			last = campaign(t, f.election(a, "a"))
			proclaim(t, last, string(rune('0'+i)))
			if i < 9 {
				resign(t, last)
			}
		}
		if err := c.Sync(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
		o.wants("a", "9", last.Token())

		// A change that was reversed in the meantime is not yielded.
		proclaim(t, last, "elsewhere")
		proclaim(t, last, "9")
		if err := c.Sync(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
		resigned := make(chan error)
		go func() { resigned <- last.Resign(context.Background()) }()
		o.wantsVacancy()
		if err := <-resigned; err != nil {
			t.Error(err)
		}
		o.stop()
		nothingLeft(t, target, a, c)
	})
}

func TestObserveEndsWithItsContext(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		s := target.Session(t)
		e := f.election(s, "a")
		enough := errors.New("enough")
		for _, vacant := range []bool{true, false} {
			if !vacant {
				term := campaign(t, e)
				defer resign(t, term)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			n := 0
			for l, err := range e.Observe(ctx) {
				switch n++; n {
				case 1:
					if err != nil || (l.Token == 0) != vacant {
						t.Errorf("observed %+v, %v", l, err)
					}
					go cancel(enough)
				default:
					if !errors.Is(err, enough) || l.ID != "" || l.Token != 0 {
						t.Errorf("the last pair is %+v, %v", l, err)
					}
				}
			}
			if n != 2 {
				t.Errorf("Observe yielded %d times", n)
			}
			n = 0
			for _, err := range e.Observe(ctx) {
				if n++; !errors.Is(err, enough) {
					t.Errorf("with a context that has ended: %v", err)
				}
			}
			if n != 1 {
				t.Errorf("with a context that has ended, Observe yielded %d times", n)
			}
			if err := s.Sync(t.Context(), "/"); err != nil {
				t.Fatal(err)
			}
			own := map[bool]int{true: 0, false: 1}[vacant] // the leader's, on its own node
			if n := target.WatchesLeft(t); n > own {
				t.Errorf("%d watches are left", n)
			}
		}
	})
}

// break ends an observation at any moment and removes all its watches.
func TestObserveBreak(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		s := target.Session(t)
		e := f.election(s, "a")
		once := func(want string) {
			t.Helper()
			for l, err := range e.Observe(t.Context()) {
				if err != nil || l.ID != want {
					t.Errorf("observed %+v, %v", l, err)
				}
				break
			}
		}
		once("")
		nothingLeft(t, target, s)
		term := campaign(t, e)
		once("a")
		resign(t, term)
		nothingLeft(t, target, s)
		once("")
		nothingLeft(t, target, s)

		for range e.Observe(t.Context()) { // again from the beginning, each time
			break
		}
		all := e.Observe(t.Context())
		for range 3 {
			n := 0
			for range all {
				n++
				break
			}
			if n != 1 {
				t.Errorf("an iterator that is used again yields %d times", n)
			}
		}
		nothingLeft(t, target, s)
	})
}
