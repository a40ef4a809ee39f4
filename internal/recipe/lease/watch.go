package lease

import (
	"bytes"
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/session"
)

// watch ends the lease when one of its nodes, or its epoch, has gone. own is a
// watch of the node, if there is one already.
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
			l.awaitReleaseWith() // which may have deleted the node: then there is nothing to look at
			continue
		case <-l.acquired.Epoch.Context().Done():
			l.lose(context.Cause(l.acquired.Epoch.Context()))
		case <-l.ctx.Done():
			<-l.gone // by then the watch has fired, and the server need not be asked to forget it
		}
		own.Close()
		return
	}
}

// watchNode watches a node, if it is still the one that made the owner. It returns
// nil when the lease has ended.
func (l *Lease) watchNode(path string) *session.Watch {
	if l.ctx.Err() != nil {
		return nil
	}
	n, err := l.readNode(path)
	switch {
	case err == nil && l.isOwn(n.Stat):
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
	default: // an ACL forbids to look at it, and it would block the line
		l.abandon(err)
	}
	return nil
}

// readNode reads a node, with its data if others can ask through it, and watches it.
func (l *Lease) readNode(path string) (session.Node, error) {
	ctx := l.acquired.Epoch.Context()
	if l.behavior.RevokeData == nil {
		st, w, err := l.acquired.Epoch.WatchNode(ctx, path)
		return session.Node{Path: path, Stat: st, Watch: w}, err
	}
	nodes, err := l.acquired.Epoch.WatchNodes(ctx, path)
	if err != nil {
		return session.Node{}, err
	}
	if nodes[0].Err == nil {
		l.noteData(nodes[0].Data)
	}
	return nodes[0], nodes[0].Err
}

// isOwn tells a node from another of the same name, if there can be any.
func (l *Lease) isOwn(st session.Stat) bool {
	return l.acquired.Version == session.AnyVersion || st.Czxid == l.acquired.Token
}

// noteData takes note of a node's data.
func (l *Lease) noteData(data []byte) {
	if l.behavior.RevokeData != nil && bytes.Equal(data, l.behavior.RevokeData) {
		l.revokeOnce.Do(func() { close(l.revoked) })
	}
}
