package lease

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/session"
)

// watch ends the lease when the node at path is deleted or the epoch ends. own is an
// existing watch of the node, or nil.
func (l *Lease) watch(path string, own *session.Watch) {
	for {
		if own == nil {
			if own = l.watchNode(path); own == nil {
				return
			}
		}
		select {
		case <-own.Fired():
			own = nil
			l.awaitReleaseWith() // it may have deleted the node; then nothing is read
			continue
		case <-l.acquired.Epoch.Context().Done():
			l.lose(context.Cause(l.acquired.Epoch.Context()))
		case <-l.ctx.Done():
			<-l.gone // the watch has fired then, so that closing it sends no request
		}
		own.Close()
		return
	}
}

// watchNode watches the node if it is still the lease's. It returns nil if the lease
// has ended.
func (l *Lease) watchNode(path string) *session.Watch {
	if l.ctx.Err() != nil {
		return nil
	}
	n, err := l.readNode(path)
	switch {
	case err == nil && l.isOwn(n.Stat):
		if path == l.acquired.Path {
			l.note(n)
		} else {
			l.noteData(n.Data)
		}
		return n.Watch
	case err == nil:
		n.Watch.Close()
		l.awaitReleaseWith()
		l.lose(session.ErrNoNode)
	case errors.Is(err, session.ErrNoNode):
		l.awaitReleaseWith()
		l.lose(session.ErrNoNode)
	case l.acquired.Epoch.Err() != nil:
		l.lose(err)
	default: // an ACL denies reading; if the node stayed, it would block the line
		l.abandon(err)
	}
	return nil
}

// readNode reads and watches a node, with its data if IsRevoke is set.
func (l *Lease) readNode(path string) (session.Node, error) {
	ctx := l.acquired.Epoch.Context()
	if l.behavior.IsRevoke == nil {
		st, w, err := l.acquired.Epoch.WatchNode(ctx, path)
		return session.Node{Path: path, Stat: st, Watch: w}, err
	}
	nodes, err := l.acquired.Epoch.WatchNodes(ctx, path)
	if err != nil {
		return session.Node{}, err
	}
	return nodes[0], nodes[0].Err
}

// isOwn reports whether st is the stat of the lease's node and not of a later node
// of the same name.
func (l *Lease) isOwn(st session.Stat) bool {
	return l.acquired.Version == session.AnyVersion || st.Czxid == l.acquired.Token
}

// noteData closes revoked if data, of an owned node, asks the holder to release.
func (l *Lease) noteData(data []byte) {
	if l.behavior.IsRevoke != nil && l.behavior.IsRevoke(data) {
		l.revokeOnce.Do(func() { close(l.revoked) })
	}
}
