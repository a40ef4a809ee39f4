package presence

import (
	"errors"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/session"
)

// run maintains the node until it is withdrawn or the session is closed. Only run
// writes to the node, so that no two writes of an Announcement race.
func (p *Announcement) run() {
	a := &announcer{presence: p, firstTime: true, pauses: backoff.New(shortestPause, longestPause, 0.5)}
	var s *epochState
	for p.live.Err() == nil {
		e, err := p.session.Epoch(p.live)
		if err != nil {
			break
		}
		if s == nil || s.epoch != e {
			if s != nil {
				s.unwatch()
			}
			s = a.inEpoch(e)
		}
		s.step()
	}
	if s != nil {
		p.deleteErr = s.deleteNode()
	}
	p.set(func(st *state) {
		if st.ended == nil {
			st.ended = session.ErrClosed
		}
	})
	p.end()
	p.unregister()
	close(p.gone)
}

// announcer is the state of an Announcement that outlives an epoch.
type announcer struct {
	presence  *Announcement
	formerIDs []int64   // the ids of the latest ZooKeeper sessions
	firstTime bool      // the node has not been announced yet
	since     time.Time // when the node was announced last, or Err became nil again
	pauses    *backoff.Backoff
}

// rememberedSessions bounds announcer.formerIDs. Nodes of older ZooKeeper sessions do
// not exist any more.
const rememberedSessions = 8

func (a *announcer) inEpoch(e *session.Epoch) *epochState {
	if len(a.formerIDs) == rememberedSessions {
		a.formerIDs = slices.Delete(a.formerIDs, 0, 1)
	}
	a.formerIDs = append(a.formerIDs, e.ID())
	return &epochState{announcer: a, epoch: e}
}

// How often an announcement that does not last, or does not succeed, is repeated.
const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 10 * time.Second
	stableTime    = time.Minute // an announcement that lasted this long is repeated immediately
)

// nextPause returns how long to wait before the node is announced again.
func (a *announcer) nextPause() time.Duration {
	if !a.since.IsZero() && time.Since(a.since) >= stableTime {
		a.since = time.Time{}
		a.pauses.Reset()
		return 0
	}
	return a.pauses.Next()
}

// step writes the node if necessary and waits until there is something to do.
func (s *epochState) step() {
	s.announcer.presence.mu.Lock()
	data, n := s.announcer.presence.current.data, s.announcer.presence.current.wantedData
	s.announcer.presence.mu.Unlock()
	err := s.ensure(data, n)
	if err == nil {
		s.noteShown(n)
		if s.watch == nil || s.watch.HasFired() {
			err = s.readNode()
		}
	}
	pause := noLimit
	var o *occupied
	switch {
	case err == nil:
	case s.epoch.Err() != nil, errors.Is(err, session.ErrClosed):
		pause = 0
	case errors.Is(err, errDeleted), mayHaveChanged(err):
		s.noteFailed(err)
		if pause = s.announcer.nextPause(); pause > 0 { // events do not shorten the pause
			s.unwatch()
			s.outdated = true
		}
	case errors.As(err, &o) && o.ephemeral && !(s.announcer.firstTime && s.announcer.presence.node.IfExists == Refuse):
		s.noteFailed(err)
	default:
		s.noteRefused(n, err) // if it is the first, Announce returns the error and ends the announcement
		pause = s.announcer.nextPause()
	}
	s.wait(pause)
	if err := s.epoch.Err(); err != nil {
		s.noteFailed(err)
	}
}

func (s *epochState) noteShown(n int) {
	s.announcer.presence.mu.Lock()
	now := s.announcer.presence.current
	s.announcer.presence.mu.Unlock()
	if now.token != s.czxid || now.err != nil {
		s.announcer.since = time.Now()
	} else if now.shownData == n {
		return
	}
	s.announcer.firstTime = false
	s.announcer.presence.set(func(st *state) { st.shownData, st.err, st.token, st.owner = n, nil, s.czxid, s.epoch.ID() })
}

func (s *epochState) noteFailed(err error) {
	s.announcer.presence.set(func(st *state) { st.err = s.failed(err) })
}

func (s *epochState) noteRefused(n int, err error) {
	err = s.failed(err)
	s.announcer.presence.set(func(st *state) { st.err, st.refusedData, st.refusal = err, n, err })
}

func (s *epochState) failed(err error) error {
	var oe *session.OpError
	if errors.As(err, &oe) {
		return err
	}
	return &session.OpError{Package: s.announcer.presence.node.Package, Op: "announce", Path: s.announcer.presence.node.Path, Err: err}
}

// noLimit is longer than any pause.
const noLimit = time.Duration(-1)

// conflictPause is how long the node is not read again after another client has
// written to it, which bounds the reads if that happens often.
const conflictPause = 100 * time.Millisecond

// wait waits until there may be something to do, at most for pause.
func (s *epochState) wait(pause time.Duration) {
	var over <-chan time.Time
	if pause != noLimit {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-s.watch.Fired():
		if !s.watch.Deleted() {
			backoff.Sleep(conflictPause, s.announcer.presence.live, s.epoch.Context())
		}
	case <-over:
	case <-s.announcer.presence.wake:
	case <-s.announcer.presence.live.Done():
	case <-s.epoch.Context().Done():
	}
}
