package session

import (
	"context"
	"errors"
	"fmt"
)

// Blocked returns nil if a ZooKeeper session owns the node with the given Stat. Otherwise
// the node is ownerless, and a wait for its deletion cannot end by itself: Blocked returns
// an error that wraps ErrNoOwner and names the node. For each node, the first call in a
// Session also logs a warning and calls Hooks.Blocked.
//
// Only recipes need it. It sends nothing.
func (e *Epoch) Blocked(path string, st Stat) error {
	if st.Ephemeral() {
		return nil
	}
	err := blockedError(path)
	if known, _ := e.session.reportedOwnerless.Swap(path, st.Czxid); known != st.Czxid {
		e.session.opts.conn.Log.Warn("zookeeper: waiting for a node that no session owns; it must be deleted by hand",
			"path", path, "created", st.Ctime)
		if f := e.session.opts.hooks.Blocked; f != nil {
			f(err)
		}
	}
	return err
}

// blockedError is the path of an ownerless node.
type blockedError string

func (e blockedError) Error() string { return "held by " + string(e) + ", which no session owns" }

func (e blockedError) Unwrap() error { return ErrNoOwner }

// Break deletes an ownerless node that other clients wait for; see ErrNoOwner. If there is
// no node, or it was created by another transaction than czxid, Break returns ErrNoNode.
// With 0 the node may be from any transaction.
//
// If a ZooKeeper session owns the node, the error is ErrOwned. If it has children, the
// error is ErrNotEmpty.
//
// Break takes two round trips, a read and a delete of the version that was read. If the
// node is replaced between them by another one with the same name and version, that node
// is deleted, and its owner loses it.
func (s *Session) Break(ctx context.Context, path string, czxid Zxid) error {
	for sent := false; ; sent = true {
		st, ok, err := s.Exists(ctx, path)
		switch {
		case err != nil:
			return err
		case !ok || czxid != 0 && st.Czxid != czxid:
			if sent {
				return nil // the reply to the delete was lost
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
