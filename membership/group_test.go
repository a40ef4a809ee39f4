package membership_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on whatever ZKTEST selects.

func TestJoinUpdateLeave(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	ga, gb := group(a), group(b)
	if v, err := gb.Members(t.Context()); err != nil || len(v.Members) != 0 {
		t.Errorf("members of a group that nobody has joined: %v (%v)", v, err)
	}
	before := time.Now()
	two := join(t, ga, "two", "2")
	one := join(t, gb, "one", "1")
	v := members(t, gb, b)
	if got := summary(v); got != "one=1 two=2" {
		t.Errorf("members: %s", got)
	}
	m, ok := v.Find("two")
	if !ok || m.Session != a.Status().ID || m.Token != two.Token() || m.Path != two.Path() || m.Path != path+"/two" ||
		m.Since.Before(before.Add(-time.Minute)) || m.Since.After(time.Now().Add(time.Minute)) {
		t.Errorf("the member is %+v", m)
	}
	if _, ok := v.Find("three"); ok {
		t.Error("a member is found that there is not")
	}
	if first, ok := v.First(); !ok || first.ID != "two" {
		t.Errorf("the first is %+v", first)
	}
	if two.ID() != "two" || two.Err() != nil || one.Err() != nil {
		t.Errorf("%s: %v, %v", two.ID(), two.Err(), one.Err())
	}
	update(t, two, "22")
	if got := summary(members(t, gb, b)); got != "one=1 two=22" {
		t.Errorf("members: %s", got)
	}
	leave(t, two)
	if got := summary(members(t, gb, b)); got != "one=1" {
		t.Errorf("members: %s", got)
	}
	leave(t, two)
	if err := two.Err(); !errors.Is(err, membership.ErrLeft) {
		t.Errorf("Err after Leave: %v", err)
	}
	if err := two.Update(t.Context(), nil); !errors.Is(err, membership.ErrLeft) {
		t.Errorf("Update after Leave: %v", err)
	}
	leave(t, one)
	testkit.NothingLeft(t, target, a, b)
}

// A view holds what there is when it is yielded, and the reader hears of every
// later change that lasts.
func TestWatch(t *testing.T) {
	eachLayout(t, func(t *testing.T, l membership.Layout) {
		target := zktest.Open(t)
		a, b := target.Session(t), target.Session(t)
		g := group(a, membership.WithLayout(l))
		w := watch(t, group(b, membership.WithLayout(l)))
		last := w.until("")
		wants := func(want string, joined, left, changed int) {
			t.Helper()
			v := w.next()
			if got := summary(v); got != want {
				t.Errorf("there are %q, not %q", got, want)
			}
			j, l, c := v.Diff(last)
			if len(j) != joined || len(l) != left || len(c) != changed {
				t.Errorf("joined %v, left %v, changed %v", j, l, c)
			}
			last = v
		}
		shown := map[membership.Layout][2]string{
			membership.Curator: {"one=", "two="}, membership.KazooParty: {"one=", "two="}, membership.KazooShallowParty: {"one=one", "two=two"},
		}[l]
		two := join(t, g, "two", "")
		wants(shown[1], 1, 0, 0)
		one := join(t, g, "one", "")
		wants(shown[0]+" "+shown[1], 1, 0, 0)
		if first, _ := last.First(); first.ID != "two" {
			t.Errorf("the first is %+v", first)
		}
		if l != membership.KazooParty {
			update(t, one, "1")
			wants("one=1 "+shown[1], 0, 0, 1)
		}
		leave(t, two)
		leave(t, one)
		w.until("")
		if err := w.stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("Watch has ended with %v", err)
		}
		testkit.NothingLeft(t, target, a, b)
	})
}

// Leaving the loop ends the watches as well.
func TestWatchIsLeft(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m := join(t, group(s), "one", "")
	for v, err := range group(s).Watch(t.Context()) {
		if err != nil || summary(v) != "one=" {
			t.Errorf("there are %v (%v)", v, err)
		}
		break
	}
	leave(t, m)
	testkit.NothingLeft(t, target, s)
}

// One session has one member of an id, and one id has one member; where ids are
// not unique, a session may have several.
func TestSameID(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	m := join(t, group(a), "id", "a")
	if _, err := group(a).Join(context.Background(), "id", nil); !errors.Is(err, membership.ErrJoined) {
		t.Errorf("Join twice: %v", err)
	}
	// However long it takes until the node has been looked at.
	for wait := time.Millisecond; ; wait *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		_, err := group(b).Join(ctx, "id", nil)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Join as another: %v", err)
		}
		if errors.Is(err, membership.ErrTaken) && strings.Contains(err.Error(), fmt.Sprintf("0x%x", a.Status().ID)) {
			break
		}
		if wait > testkit.Limit {
			t.Fatalf("Join as another, after %v: %v", wait, err)
		}
	}
	next := make(chan *membership.Membership)
	go func() { next <- join(t, group(b), "id", "b") }()
	leave(t, m)
	n := <-next
	if got := summary(members(t, group(a), a)); got != "id=b" {
		t.Errorf("members: %s", got)
	}
	leave(t, n)

	if _, _, err := a.Create(t.Context(), path+"/id", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := group(b).Join(context.Background(), "id", nil); !errors.Is(err, membership.ErrTaken) {
		t.Errorf("Join as a node that no session has: %v", err)
	}

	for _, l := range []membership.Layout{membership.KazooParty, membership.KazooShallowParty} {
		g := group(a, membership.WithLayout(l))
		one, two := join(t, g, "id", ""), join(t, g, "id", "")
		v := members(t, g, a)
		if len(v.Members) != 2 || v.Members[0].ID != "id" || v.Members[1].ID != "id" {
			t.Errorf("members: %v", v)
		}
		if first, _ := v.First(); first.Path != one.Path() {
			t.Errorf("the first is %v", first)
		}
		leave(t, one)
		if joined, left, changed := members(t, g, a).Diff(v); len(joined) != 0 || len(left) != 1 || left[0].Path != one.Path() || len(changed) != 0 {
			t.Errorf("joined %v, left %v, changed %v", joined, left, changed)
		}
		leave(t, two)
	}
}

func TestClose(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	m := join(t, group(a), "one", "")
	other := join(t, group(b), "other", "")
	w, o := watch(t, group(a)), watch(t, group(b))
	w.until("one= other=")
	o.until("one= other=")
	joining := make(chan error)
	go func() {
		_, err := group(a).Join(context.Background(), "other", nil)
		joining <- err
	}()
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-joining; !errors.Is(err, session.ErrClosed) {
		t.Errorf("a Join that waited: %v", err)
	}
	if err := <-w.end; !errors.Is(err, session.ErrClosed) {
		t.Errorf("Watch: %v", err)
	}
	if err := m.Err(); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Err: %v", err)
	}
	leave(t, m)
	if _, err := group(a).Members(t.Context()); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Members: %v", err)
	}
	o.until("other=")
	o.stop()
	leave(t, other)
	testkit.NothingLeft(t, target, b)
}

// Curator's fault 3.24: waits that time out leave watches on the server.
func TestTimedOutWaitsLeaveNothing(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	before := goleak.IgnoreCurrent()
	m := join(t, group(a), "id", "")
	for range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Microsecond)
		if _, err := group(b).Join(ctx, "id", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Join: %v", err)
		}
		var err error
		for _, err = range group(b).Watch(ctx) {
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Watch: %v", err)
		}
		if _, err := group(b).Members(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Members: %v", err)
		}
		cancel()
		watching, stop := context.WithTimeout(t.Context(), 2*time.Millisecond)
		for range group(b).Watch(watching) {
		}
		stop()
	}
	leave(t, m)
	leave(t, join(t, group(b), "id", "")) // comes after the last of them
	testkit.NothingLeft(t, target, a, b)
	for _, s := range []*session.Session{a, b} {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	goleak.VerifyNone(t, before)
}
