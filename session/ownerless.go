package session

import (
	"context"
	"errors"
	"fmt"
)

// Blocked returns nil if a session owns the node with the given Stat. Otherwise the
// node does not go with a session, and a wait for that lasts until somebody removes
// it: Blocked returns an error that wraps ErrNoOwner and names the node. The first
// time in this Session it also logs a warning and calls Hooks.Blocked.
//
// It sends nothing.
func (e *Epoch) Blocked(path string, st Stat) error {
	if st.Ephemeral() {
		return nil
	}
	err := blockedError(path)
	if known, _ := e.session.reportedOwnerless.Swap(path, st.Czxid); known != st.Czxid {
		e.session.opts.log.Warn("zookeeper: waiting for a node that no session owns; it stays until somebody removes it",
			"path", path, "created", st.Ctime)
		if f := e.session.opts.hooks.Blocked; f != nil {
			f(err)
		}
	}
	return err
}

// blockedError is the path of a node that no session owns.
type blockedError string

func (e blockedError) Error() string { return "held by " + string(e) + ", which no session owns" }

func (e blockedError) Unwrap() error { return ErrNoOwner }

// Break deletes a node that no session owns and that others wait for; see
// ErrNoOwner. If a session owns the node, Break returns ErrOwned. czxid is that of
// the node: if another has taken its place, Break returns ErrNoNode; 0 stands for
// any. A node that has children is ErrNotEmpty.
//
// It takes two round trips, a read and a delete of the version that was read. If in
// between the node makes way for another of the same name and version, that one is
// deleted, and its owner loses it.
func (s *Session) Break(ctx context.Context, path string, czxid Zxid) error {
	for sent := false; ; sent = true {
		st, ok, err := s.Exists(ctx, path)
		switch {
		case err != nil:
			return err
		case !ok || czxid != 0 && st.Czxid != czxid:
			if sent {
				return nil // the answer of the delete was lost
			}
			return opError("break", path, ErrNoNode)
		case st.Ephemeral():
			return opError("break", path, fmt.Errorf("%w: 0x%x", ErrOwned, uint64(st.EphemeralOwner)))
		}
		err = s.Delete(ctx, path, st.Version)
		if ctx.Err() != nil || !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrBadVersion) {
			return err
		}
		czxid = st.Czxid
	}
}
