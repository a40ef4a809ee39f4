package presence

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zkrecipes/zkrecipes/session"
)

// stay is a Presence in one epoch.
type stay struct {
	*keeper
	epoch *session.Epoch

	own    session.Zxid // our node; 0 while there is none
	holds  int          // the number of the data in it; 0 if that is not known
	unsure bool         // a node may have been created of which we do not know

	// What was seen when the node was last looked at, or made.
	exists bool
	stat   session.Stat
	doubt  bool            // it is no longer so
	watch  *session.Watch  // for a change of it; nil if there is none
	broken <-chan struct{} // closed when an event may have been missed
}

// occupied says that the node is not ours.
type occupied struct {
	error
	passing bool // it is a session's, and goes with it
}

func (o *occupied) Unwrap() error { return o.error }

// attempts bounds how often a node that others change all the time is tried for
// in a row.
const attempts = 4

// bring makes the node exist, be ours, and hold the n-th data.
func (s *stay) bring(data []byte, n int) (err error) {
	for range attempts {
		if s.doubt || fired(s.watch) || isClosed(s.broken) {
			if err := s.look(); err != nil {
				return err
			}
		}
		if s.own != 0 && s.holds == n {
			return nil
		}
		if err = s.write(data, n); !passing(err) {
			return err
		}
		s.doubt = true
	}
	return err
}

// passing tells of an error that the node is not as it was last seen.
func passing(err error) bool {
	return errors.Is(err, session.ErrUnknown) || errors.Is(err, session.ErrNodeExists) ||
		errors.Is(err, session.ErrNoNode) || errors.Is(err, session.ErrBadVersion)
}

// write makes the one request that what was last seen calls for.
func (s *stay) write(data []byte, n int) error {
	ctx := s.epoch.Context() // and not until it is withdrawn: what is under way is seen to its end
	switch {
	case s.own != 0:
		r, err := s.epoch.Txn(ctx, session.OpSet(s.node.Path, data, s.stat.Version))
		if err != nil {
			return err
		}
		if r[0].Stat.Czxid != s.own {
			return session.ErrBadVersion // of a node that has just taken the place of ours
		}
		s.stat, s.holds = r[0].Stat, n
	case !s.exists:
		_, st, err := s.epoch.Create(ctx, s.node.Path, data, s.options()...)
		s.unsure = errors.Is(err, session.ErrUnknown)
		if err != nil {
			return err
		}
		s.made(st, n)
	case s.replaces():
		_, err := s.epoch.Txn(ctx, session.OpDelete(s.node.Path, s.stat.Version), s.create(data))
		s.unsure = err == nil || errors.Is(err, session.ErrUnknown)
		if err == nil {
			err = s.look() // ZooKeeper 3.8 says nothing of a node that a transaction creates
		}
		if err != nil {
			return err
		}
		if s.own == 0 {
			return session.ErrNoNode // any more
		}
		s.holds = n
	default:
		return s.occupied()
	}
	return nil
}

func (s *stay) made(st session.Stat, n int) {
	s.exists, s.stat, s.own, s.holds, s.doubt = true, st, st.Czxid, n, false
}

// replaces tells whether the node that is there is to make way for ours.
func (s *stay) replaces() bool {
	owner := s.stat.EphemeralOwner
	if owner == s.epoch.ID() {
		return false
	}
	return slices.Contains(s.former, owner) || s.first && s.node.Others == Replace
}

func (s *stay) occupied() error {
	switch owner := s.stat.EphemeralOwner; {
	case owner == s.epoch.ID():
		return &occupied{error: s.node.Errors.Twice}
	case s.stat.Ephemeral():
		return &occupied{fmt.Errorf("%w: session 0x%x owns the node", s.node.Errors.Occupied, uint64(owner)), true}
	default:
		return &occupied{error: fmt.Errorf("%w: the node is not ephemeral", s.node.Errors.Occupied)}
	}
}

// look reads whose the node is, and watches it. It fails with errRemoved if it
// was ours and has gone.
func (s *stay) look() error {
	s.unwatch()
	broken := s.epoch.Suspended()
	st, exists, w, err := s.epoch.WatchExists(s.epoch.Context(), s.node.Path)
	if err != nil {
		return err
	}
	s.stat, s.exists, s.watch, s.broken, s.doubt = st, exists, w, broken, false
	ours := exists && st.EphemeralOwner == s.epoch.ID()
	switch {
	case s.own != 0 && (!ours || st.Czxid != s.own):
		s.own, s.unsure = 0, false
		return errRemoved
	case s.own == 0 && s.unsure && ours:
		s.own, s.holds = st.Czxid, 0
	}
	s.unsure = false
	return nil
}

func (s *stay) unwatch() {
	if s.watch != nil {
		s.watch.Close()
		s.watch = nil
	}
}

// leave removes our node, if there is one, and no other.
func (s *stay) leave() error {
	defer s.unwatch() // by then it has fired, and the server need not be asked to forget it
	for s.own != 0 || s.unsure {
		if s.watch == nil || s.doubt || fired(s.watch) || isClosed(s.broken) {
			err := s.look()
			switch {
			case errors.Is(err, errRemoved), s.epoch.Err() != nil:
				return nil
			case err != nil:
				return err
			case s.own == 0:
				return nil
			}
		}
		_, err := s.epoch.Txn(s.epoch.Context(), session.OpDelete(s.node.Path, s.stat.Version))
		switch {
		case err == nil, errors.Is(err, session.ErrNoNode), s.epoch.Err() != nil:
			return nil
		case errors.Is(err, session.ErrUnknown), errors.Is(err, session.ErrBadVersion):
			s.doubt = true
		default:
			s.epoch.Discard(s.node.Path, s.own, nil)
			return err
		}
	}
	return nil
}

func fired(w *session.Watch) bool { return w != nil && isClosed(w.Fired()) }

// isClosed tells whether a channel is closed; nil is not.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
