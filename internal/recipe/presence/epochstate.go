package presence

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zkrecipes/zkrecipes/session"
)

// epochState is a Presence in one epoch.
type epochState struct {
	announcer *announcer
	epoch     *session.Epoch

	czxid    session.Zxid // our node; 0 while there is none
	heldData int          // the number of the data in it; 0 if that is not known
	mayExist bool         // a node may have been created of which we do not know

	// What was seen when the node was last looked at, or made.
	exists    bool
	stat      session.Stat
	outdated  bool            // it is no longer so
	watch     *session.Watch  // for a change of it; nil if there is none
	suspended <-chan struct{} // closed when an event may have been missed
}

// occupied says that the node is not ours.
type occupied struct {
	err       error
	ephemeral bool // it is a session's, and goes with it
}

func (o *occupied) Error() string { return o.err.Error() }

func (o *occupied) Unwrap() error { return o.err }

// maxConflicts bounds how often a node that others change all the time is tried for
// in a row.
const maxConflicts = 4

// ensure makes the node exist, be ours, and hold the n-th data.
func (s *epochState) ensure(data []byte, n int) (err error) {
	for range maxConflicts {
		if s.outdated || s.watch.HasFired() || isClosed(s.suspended) {
			if err := s.readNode(); err != nil {
				return err
			}
		}
		if s.czxid != 0 && s.heldData == n {
			return nil
		}
		if err = s.write(data, n); !isConflict(err) {
			return err
		}
		s.outdated = true
	}
	return err
}

// isConflict tells of an error that the node is not as it was last seen.
func isConflict(err error) bool {
	return errors.Is(err, session.ErrUnknown) || errors.Is(err, session.ErrNodeExists) ||
		errors.Is(err, session.ErrNoNode) || errors.Is(err, session.ErrBadVersion)
}

// write makes the one request that what was last seen calls for.
func (s *epochState) write(data []byte, n int) error {
	ctx := s.epoch.Context() // and not until it is withdrawn: what is under way is seen to its end
	switch {
	case s.czxid != 0:
		r, err := s.epoch.Txn(ctx, session.OpSet(s.announcer.presence.node.Path, data, s.stat.Version))
		if err != nil {
			return err
		}
		if r[0].Stat.Czxid != s.czxid {
			return session.ErrBadVersion // of a node that has just taken the place of ours
		}
		s.stat, s.heldData = r[0].Stat, n
	case !s.exists:
		_, st, err := s.epoch.Create(ctx, s.announcer.presence.node.Path, data, s.announcer.presence.options()...)
		s.mayExist = errors.Is(err, session.ErrUnknown)
		if err != nil {
			return err
		}
		s.markCreated(st, n)
	case s.replaces():
		_, err := s.epoch.Txn(ctx, session.OpDelete(s.announcer.presence.node.Path, s.stat.Version), s.announcer.presence.create(data))
		s.mayExist = err == nil || errors.Is(err, session.ErrUnknown)
		if err == nil {
			err = s.readNode() // ZooKeeper 3.8 says nothing of a node that a transaction creates
		}
		if err != nil {
			return err
		}
		if s.czxid == 0 {
			return session.ErrNoNode // any more
		}
		s.heldData = n
	default:
		return s.occupied()
	}
	return nil
}

func (s *epochState) markCreated(st session.Stat, n int) {
	s.exists, s.stat, s.czxid, s.heldData, s.outdated = true, st, st.Czxid, n, false
}

// replaces tells whether the node that is there is to make way for ours.
func (s *epochState) replaces() bool {
	owner := s.stat.EphemeralOwner
	if owner == s.epoch.ID() {
		return false
	}
	return slices.Contains(s.announcer.formerIDs, owner) || s.announcer.firstTime && s.announcer.presence.node.IfExists == Replace
}

func (s *epochState) occupied() error {
	switch owner := s.stat.EphemeralOwner; {
	case owner == s.epoch.ID():
		return &occupied{err: s.announcer.presence.node.Errors.Duplicate}
	case s.stat.Ephemeral():
		return &occupied{fmt.Errorf("%w: session 0x%x owns the node", s.announcer.presence.node.Errors.Occupied, uint64(owner)), true}
	default:
		return &occupied{err: fmt.Errorf("%w: the node is not ephemeral", s.announcer.presence.node.Errors.Occupied)}
	}
}

// readNode reads whose the node is, and watches it. It fails with errRemoved if it
// was ours and has gone.
func (s *epochState) readNode() error {
	s.unwatch()
	broken := s.epoch.Suspended()
	st, exists, w, err := s.epoch.WatchExists(s.epoch.Context(), s.announcer.presence.node.Path)
	if err != nil {
		return err
	}
	s.stat, s.exists, s.watch, s.suspended, s.outdated = st, exists, w, broken, false
	ours := exists && st.EphemeralOwner == s.epoch.ID()
	switch {
	case s.czxid != 0 && (!ours || st.Czxid != s.czxid):
		s.czxid, s.mayExist = 0, false
		return errRemoved
	case s.czxid == 0 && s.mayExist && ours:
		s.czxid, s.heldData = st.Czxid, 0
	}
	s.mayExist = false
	return nil
}

func (s *epochState) unwatch() {
	s.watch.Close()
	s.watch = nil
}

// removeNode removes our node, if there is one, and no other.
func (s *epochState) removeNode() error {
	defer s.unwatch() // by then it has fired, and the server need not be asked to forget it
	for s.czxid != 0 || s.mayExist {
		if s.watch == nil || s.outdated || s.watch.HasFired() || isClosed(s.suspended) {
			err := s.readNode()
			switch {
			case errors.Is(err, errRemoved), s.epoch.Err() != nil:
				return nil
			case err != nil:
				return err
			case s.czxid == 0:
				return nil
			}
		}
		_, err := s.epoch.Txn(s.epoch.Context(), session.OpDelete(s.announcer.presence.node.Path, s.stat.Version))
		switch {
		case err == nil, errors.Is(err, session.ErrNoNode), s.epoch.Err() != nil:
			return nil
		case errors.Is(err, session.ErrUnknown), errors.Is(err, session.ErrBadVersion):
			s.outdated = true
		default:
			s.epoch.DeleteEventually(s.announcer.presence.node.Path, s.czxid, nil)
			return err
		}
	}
	return nil
}

// isClosed tells whether a channel is closed; nil is not.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
