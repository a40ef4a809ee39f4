package view_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The first change is read immediately.
func TestFirstChangeIsReadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		testkit.Create(t, s, "/d/a", "0", session.Parents())
		v := open(t, s, "/d", view.Options{Depth: 1})
		for i := range 5 {
			time.Sleep(10 * time.Second)
			changed, start := v.Changed(), time.Now()
			testkit.Set(t, other, "/d/a", fmt.Sprint(i+1))
			<-changed
			if d := time.Since(start); d != 0 || text(v.Snapshot()) != fmt.Sprintf(" a=%d", i+1) {
				t.Errorf("after %v it shows %q", d, text(v.Snapshot()))
			}
		}
	})
}

// Many changes in a short time cause few reads, and the last change is read.
func TestChurnIsReadAtABoundedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		testkit.Create(t, s, "/d", "")
		const members = 200
		for i := range members {
			testkit.Create(t, s, fmt.Sprintf("/d/%d", i), "")
		}
		v := open(t, s, "/d", view.Options{Depth: 1})
		time.Sleep(10 * time.Second)
		srv.ResetRequests()
		start := time.Now()
		for i := range 5000 { // for 20 s, four nodes of a thousand
			p := fmt.Sprintf("/d/%d", i%4)
			testkit.Delete(t, other, p)
			testkit.Create(t, other, p, fmt.Sprint(i))
			time.Sleep(4 * time.Millisecond)
		}
		seconds := time.Since(start).Seconds()
		lists, reads := 0, 0
		for _, r := range srv.Requests() {
			switch {
			case r.Session != s.Status().ID:
			case r.Op == "getChildren2":
				lists++
			case r.Op == "getData":
				reads++
			}
		}
		// A list of 200 names and four nodes make a pause of 0.2 s.
		if perSecond := float64(lists) / seconds; perSecond < 2 || perSecond > 3*5 { // each may be repeated twice
			t.Errorf("%v lists a second", perSecond)
		}
		if reads > 5*lists {
			t.Errorf("%d nodes were read, with %d lists", reads, lists)
		}
		time.Sleep(time.Second)
		for i := range 4 {
			if n, _ := v.Snapshot().Find(fmt.Sprint(i)); string(n.Data) != fmt.Sprint(4996+i) {
				t.Errorf("%d is %q in the end", i, n.Data)
			}
		}
	})
}

// slowly delays every reply to s by d, so that nodes change while they are read.
func slowly(srv *zktest.Server, s *session.Session, d time.Duration) (remove func()) {
	return srv.Inject(zktest.Rule{Session: s.Status().ID, Delay: d, Fault: zktest.Pass})
}

// Nodes that change all the time are shown by a view with limited patience. Any other
// view reports that it is out of date.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		hasty, patient, other := srv.Session(t), srv.Session(t), srv.Session(t)
		testkit.Create(t, other, "/d/a", "0", session.Parents())
		testkit.Create(t, other, "/d/b", "0")
		h := open(t, hasty, "/d", view.Options{Depth: 1, Patience: time.Second})
		p := open(t, patient, "/d", view.Options{Depth: 1})
		first := p.Snapshot()
		slowly(srv, hasty, 30*time.Millisecond)
		slowly(srv, patient, 30*time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for i := 0; ctx.Err() == nil; i++ {
				other.Set(ctx, "/d/a", fmt.Append(nil, i), session.AnyVersion)
				other.Set(ctx, "/d/b", fmt.Append(nil, i), session.AnyVersion)
				time.Sleep(10 * time.Millisecond)
			}
		}()
		seen := 0
		until, stop := context.WithTimeout(ctx, 30*time.Second)
		defer stop()
		for s, err := range h.Watch(until) {
			if err != nil {
				break
			}
			if seen++; seen > 1 && s.Settled {
				t.Error("what changes all the time is shown as settled")
			}
			if len(s.Nodes) != 2 {
				t.Errorf("it shows %q", text(s))
			}
		}
		if seen < 10 || h.Err() != nil {
			t.Errorf("%d snapshots in 30 s, Err is %v", seen, h.Err())
		}
		if p.Snapshot() != first || !errors.Is(p.Err(), session.ErrStale) {
			t.Errorf("the patient view shows %q, %v", text(p.Snapshot()), p.Err())
		}
		changed := p.Changed()
		cancel()
		<-stopped
		<-changed
		if !p.Snapshot().Settled || p.Err() != nil {
			t.Errorf("after the changes: %+v, %v", p.Snapshot(), p.Err())
		}
		time.Sleep(5 * time.Second)
		if !h.Snapshot().Settled || text(h.Snapshot()) != text(p.Snapshot()) {
			t.Errorf("after the changes: %q and %q", text(h.Snapshot()), text(p.Snapshot()))
		}
	})
}
