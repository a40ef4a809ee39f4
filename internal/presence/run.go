package presence

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// run looks after the node until it is withdrawn or the session is closed. It
// alone writes to the node, so that no two writes of a Presence race.
func (p *Presence) run() {
	k := &keeper{Presence: p, first: true, pause: shortestPause}
	var s *stay
	for p.live.Err() == nil {
		e, err := p.session.Epoch(p.live)
		if err != nil {
			break
		}
		if s == nil || s.epoch != e {
			if s != nil {
				s.unwatch()
			}
			s = k.stay(e)
		}
		s.pass()
	}
	if s != nil {
		p.left = s.leave()
	}
	p.set(func(st *state) {
		if st.over == nil {
			st.over = session.ErrClosed
		}
	})
	p.end()
	p.delist()
	close(p.gone)
}

// keeper is what a Presence remembers from one epoch to the next.
type keeper struct {
	*Presence
	former []int64   // the ids of its ZooKeeper sessions
	first  bool      // nothing has been announced yet
	since  time.Time // when it was announced last, or has recovered
	pause  time.Duration
}

// rememberedSessions bounds keeper.former. Of a session that is long over there
// is no node left.
const rememberedSessions = 8

func (k *keeper) stay(e *session.Epoch) *stay {
	if len(k.former) == rememberedSessions {
		k.former = slices.Delete(k.former, 0, 1)
	}
	k.former = append(k.former, e.ID())
	return &stay{keeper: k, epoch: e}
}

// How often an announcement that does not last, or does not succeed, is repeated.
const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 10 * time.Second
	lasting       = time.Minute // one that has lasted so long is repeated at once
)

// next is how long to wait before the node is announced again.
func (k *keeper) next() time.Duration {
	if !k.since.IsZero() && time.Since(k.since) >= lasting {
		k.since, k.pause = time.Time{}, shortestPause
		return 0
	}
	pause := k.pause/2 + rand.N(k.pause)
	k.pause = min(2*k.pause, longestPause)
	return pause
}

// pass brings the node about and waits until there is something to do.
func (s *stay) pass() {
	s.mu.Lock()
	data, n := s.now.data, s.now.wanted
	s.mu.Unlock()
	err := s.bring(data, n)
	if err == nil {
		s.shows(n)
		if s.watch == nil || fired(s.watch) {
			err = s.look()
		}
	}
	pause := forever
	var o *occupied
	switch {
	case err == nil:
	case s.epoch.Err() != nil, errors.Is(err, session.ErrClosed):
		pause = 0
	case errors.Is(err, errRemoved), passing(err):
		s.fails(err)
		if pause = s.next(); pause > 0 { // whatever happens to it meanwhile
			s.unwatch()
			s.doubt = true
		}
	case errors.As(err, &o) && o.passing && !(s.first && s.node.Others == Refuse):
		s.fails(err)
	default:
		s.refuses(n, err) // which ends it if it is the first
		pause = s.next()
	}
	s.wait(pause)
	if err := s.epoch.Err(); err != nil {
		s.fails(err)
	}
}

func (s *stay) shows(n int) {
	s.mu.Lock()
	now := s.now
	s.mu.Unlock()
	if now.token != s.own || now.err != nil {
		s.since = time.Now()
	} else if now.shown == n {
		return
	}
	s.first = false
	s.set(func(st *state) { st.shown, st.err, st.token, st.owner = n, nil, s.own, s.epoch.ID() })
}

func (s *stay) fails(err error) {
	s.set(func(st *state) { st.err = s.failed(err) })
}

func (s *stay) refuses(n int, err error) {
	err = s.failed(err)
	s.set(func(st *state) { st.err, st.refused, st.why = err, n, err })
}

func (s *stay) failed(err error) error {
	var oe *session.OpError
	if errors.As(err, &oe) {
		return err
	}
	return &session.OpError{Op: "announce", Path: s.node.Path, Err: err}
}

// forever is longer than any pause.
const forever = time.Duration(-1)

// settling is how long a node is left to itself that somebody else writes to,
// however often they do.
const settling = 100 * time.Millisecond

// wait waits until there may be something to do, but not longer than pause.
func (s *stay) wait(pause time.Duration) {
	var change <-chan struct{}
	if s.watch != nil {
		change = s.watch.Fired()
	}
	var over <-chan time.Time
	if pause != forever {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-change:
		if !s.watch.Deleted() {
			s.sleep(settling)
		}
	case <-over:
	case <-s.wake:
	case <-s.live.Done():
	case <-s.epoch.Context().Done():
	}
}

func (s *stay) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.live.Done():
	case <-s.epoch.Context().Done():
	}
}
