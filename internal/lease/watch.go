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
			if own = l.look(path); own == nil {
				return
			}
		}
		select {
		case <-own.Fired():
			own = nil
			l.settled() // which may have deleted the node: then there is nothing to look at
			continue
		case <-l.claim.Epoch.Context().Done():
			l.lose(context.Cause(l.claim.Epoch.Context()))
		case <-l.ctx.Done():
			<-l.gone // by then the watch has fired, and the server need not be asked to forget it
		}
		own.Close()
		return
	}
}

// look watches a node, if it is still the one that made the owner. It returns
// nil when the lease has ended.
func (l *Lease) look(path string) *session.Watch {
	if l.ctx.Err() != nil {
		return nil
	}
	n, err := l.see(path)
	switch {
	case err == nil && l.mine(n.Stat):
		return n.Watch
	case err == nil:
		n.Watch.Close()
		l.settled()
		l.lose(session.ErrNoNode)
	case errors.Is(err, session.ErrNoNode):
		l.settled()
		l.lose(session.ErrNoNode)
	case l.claim.Epoch.Err() != nil:
		l.lose(err)
	default: // an ACL forbids to look at it, and it would block the line
		l.abandon(err)
	}
	return nil
}

// see reads a node, with its data if others can ask through it, and watches it.
func (l *Lease) see(path string) (session.Node, error) {
	ctx := l.claim.Epoch.Context()
	if l.terms.Request == nil {
		st, w, err := l.claim.Epoch.WatchNode(ctx, path)
		return session.Node{Path: path, Stat: st, Watch: w}, err
	}
	nodes, err := l.claim.Epoch.WatchNodes(ctx, path)
	if err != nil {
		return session.Node{}, err
	}
	if nodes[0].Err == nil {
		l.read(nodes[0].Data)
	}
	return nodes[0], nodes[0].Err
}

// mine tells a node from another of the same name, if there can be any.
func (l *Lease) mine(st session.Stat) bool {
	return l.claim.Version == session.AnyVersion || st.Czxid == l.claim.Token
}

// read takes note of a node's data.
func (l *Lease) read(data []byte) {
	if l.terms.Request != nil && bytes.Equal(data, l.terms.Request) {
		l.ask.Do(func() { close(l.asked) })
	}
}
