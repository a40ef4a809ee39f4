package presence

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/session"
)

// epochState is the state of an Announcement in one epoch.
type epochState struct {
	announcer *announcer
	epoch     *session.Epoch

	czxid    session.Zxid // of our node; 0 while there is none
	heldData int          // the number of the data in it; 0 if that is not known
	mayExist bool         // a create or replacement may have been committed without our knowledge

	// The result of the last read or write of the node.
	exists    bool
	stat      session.Stat
	outdated  bool            // the fields above are known to be out of date
	watch     *session.Watch  // fires when the node changes; nil if it is not watched
	suspended <-chan struct{} // closed when an event may have been missed
}

// occupied is the error if another node than ours exists.
type occupied struct {
	err       error
	ephemeral bool // another session owns the node, so it is deleted when that session ends
}

func (o *occupied) Error() string { return o.err.Error() }

func (o *occupied) Unwrap() error { return o.err }

// maxConflicts bounds the attempts in a row while other clients keep changing the
// node.
const maxConflicts = 4

// ensure makes sure that the node exists, is ours, and holds data, which has number n.
func (s *epochState) ensure(data []byte, n int) (err error) {
	for range maxConflicts {
		if s.outdated || s.watch.HasFired() || channel.IsClosed(s.suspended) {
			if err := s.readNode(); err != nil {
				return err
			}
		}
		if s.czxid != 0 && s.heldData == n {
			return nil
		}
		if err = s.write(data, n); !mayHaveChanged(err) {
			return err
		}
		s.outdated = true
	}
	return err
}

// mayHaveChanged reports whether err means that the node may have changed since the
// last read. A write of ours with an unknown outcome may have changed it.
func mayHaveChanged(err error) bool {
	return refusal.IsConflict(err) || errors.Is(err, session.ErrUnknown)
}

// write sends the one write that the last read of the node requires.
func (s *epochState) write(data []byte, n int) error {
	ctx := s.epoch.Context() // not the announcement's: the outcome of a write in flight is needed for the removal
	switch {
	case s.czxid != 0:
		r, err := s.epoch.Txn(ctx, session.OpSet(s.announcer.presence.node.Path, data, s.stat.Version))
		if err != nil {
			return err
		}
		if r[0].Stat.Czxid != s.czxid {
			return session.ErrBadVersion // another node has just replaced ours
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
			err = s.readNode() // ZooKeeper 3.8 returns no stat of a node that a transaction creates
		}
		if err != nil {
			return err
		}
		if s.czxid == 0 {
			return session.ErrNoNode // it was deleted since
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

// replaces reports whether the existing node is to be replaced by ours.
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

// readNode reads the node's stat and watches it. It returns errDeleted if our node
// was deleted.
func (s *epochState) readNode() error {
	s.unwatch()
	suspended := s.epoch.Suspended()
	st, exists, w, err := s.epoch.WatchExists(s.epoch.Context(), s.announcer.presence.node.Path)
	if err != nil {
		return err
	}
	s.stat, s.exists, s.watch, s.suspended, s.outdated = st, exists, w, suspended, false
	ours := exists && st.EphemeralOwner == s.epoch.ID()
	switch {
	case s.czxid != 0 && (!ours || st.Czxid != s.czxid):
		s.czxid, s.mayExist = 0, false
		return errDeleted
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

// deleteNode deletes our node, if there is one, and no other.
func (s *epochState) deleteNode() error {
	defer s.unwatch() // deferred, because a watch that has fired is closed without a request
	for s.czxid != 0 || s.mayExist {
		if s.watch == nil || s.outdated || s.watch.HasFired() || channel.IsClosed(s.suspended) {
			err := s.readNode()
			switch {
			case errors.Is(err, errDeleted), s.epoch.Err() != nil:
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
