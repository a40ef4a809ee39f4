package membership_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/session"
)

// prepared is the group as the healthy session sees it. Its nodes exist, for package
// session sees to those.
func prepared(s *faulttable.Run) *membership.Group {
	if _, _, err := s.Healthy.Create(s.Context(), path, nil, session.Parents()); err != nil {
		s.Fatal(err)
	}
	return group(s.Healthy)
}

// Other clients see a member with its data while it is a member, and not after it has
// left. (What faults touch is the same in all layouts.)
func TestFaultsJoinUpdateLeave(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		others := prepared(s)
		m := join(s, group(s.Faulty), "faulty", "one")
		seen(s, others, m, "one")
		update(s, m, "two")
		seen(s, others, m, "two")
		leave(s, m)
		time.Sleep(15 * time.Second)
		if got := summary(members(s, others, s.Healthy)); got != "" {
			s.Errorf("after it has left, there are %s", got)
		}
	})
}

// seen checks that m is a member with the given data, now or, if its session is
// over, soon.
func seen(s *faulttable.Run, others *membership.Group, m *membership.Membership, data string) {
	s.Helper()
	for {
		token := m.Token()
		v := members(s, others, s.Healthy)
		if !slices.Contains(s.Server.Sessions(), s.Faulty.Status().ID) || m.Err() != nil || m.Token() != token {
			again(s, m, token)
			continue
		}
		if summary(v) != "faulty="+data || v.Members[0].Token != token {
			s.Errorf("there are %v", v)
		}
		return
	}
}

// sightings are what a watcher has seen.
type sightings struct {
	sync.Mutex
	seen []string
	err  error
}

// follow watches until ctx ends.
func follow(ctx context.Context, g *membership.Group, all *sync.WaitGroup) *sightings {
	l := &sightings{}
	all.Go(func() {
		for v, err := range g.Watch(ctx) {
			l.Lock()
			if l.err = err; err == nil {
				l.seen = append(l.seen, summary(v))
			}
			l.Unlock()
		}
	})
	return l
}

func (l *sightings) last() string {
	l.Lock()
	defer l.Unlock()
	if len(l.seen) == 0 {
		return "(nothing yet)"
	}
	return l.seen[len(l.seen)-1]
}

// Whatever happens to a watcher, it sees only what there has been, in order, and
// in the end what there is.
func TestFaultsWatch(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		g := prepared(s)
		one := join(s, g, "one", "1")
		ctx, stop := context.WithCancel(s.Context())
		var all sync.WaitGroup
		w := follow(ctx, group(s.Faulty), &all)
		time.Sleep(time.Millisecond)
		two := join(s, g, "two", "2")
		time.Sleep(200 * time.Millisecond)
		update(s, one, "11")
		leave(s, two)
		time.Sleep(30 * time.Second)
		if last := w.last(); last != "one=11" {
			s.Errorf("seen last: %q", last)
		}
		stop()
		all.Wait()
		if !errors.Is(w.err, context.Canceled) {
			s.Errorf("Watch: %v", w.err)
		}
		history := []string{"one=1", "one=1 two=2", "one=11 two=2", "one=11"}
		for _, seen := range w.seen {
			i := slices.Index(history, seen)
			if i < 0 {
				s.Fatalf("seen %q", w.seen)
			}
			history = history[i+1:]
		}
		leave(s, one)
	})
}

// A member and a watcher of one session, while it expires.
func TestFaultsMemberWatches(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		prepared(s)
		g := group(s.Faulty)
		ctx, stop := context.WithCancel(s.Context())
		var all sync.WaitGroup
		m := join(s, g, "me", "1")
		w := follow(ctx, g, &all)
		time.Sleep(30 * time.Second)
		if last := w.last(); last != "me=1" || m.Err() != nil {
			s.Errorf("seen last: %q; Err: %v", last, m.Err())
		}
		leave(s, m)
		time.Sleep(15 * time.Second)
		if last := w.last(); last != "" {
			s.Errorf("seen last: %q", last)
		}
		stop()
		all.Wait()
	})
}

// A list is read again where it was broken off.
func TestFaultsMembers(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		one, two := join(s, group(s.Healthy), "one", "1"), join(s, group(s.Healthy), "two", "2")
		if v, err := group(s.Faulty).Members(s.Context()); err != nil || summary(v) != "one=1 two=2" {
			s.Errorf("members: %v (%v)", v, err)
		}
		leave(s, one)
		leave(s, two)
	})
}

// Calls that are canceled, at whatever moment, leave nothing.
func TestFaultsCanceled(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		other := join(s, group(s.Healthy), "one", "1")
		g := group(s.Faulty)
		ctx, cancel := context.WithTimeout(s.Context(), 50*time.Millisecond)
		defer cancel()
		if m, err := g.Join(ctx, "one", nil); err == nil || !strings.Contains(err.Error(), "deadline") {
			s.Errorf("Join: %v, %v", m, err)
		}
		ctx, cancel = context.WithTimeout(s.Context(), 50*time.Millisecond)
		defer cancel()
		var err error
		for _, err = range g.Watch(ctx) {
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("Watch: %v", err)
		}
		leave(s, other)
	})
}
