package session

import (
	"context"
	"errors"
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/client/conn"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Get returns a node's data. If the node does not exist, the error is ErrNoNode.
func (s *Session) Get(ctx context.Context, path string) ([]byte, Stat, error) {
	n, err := inCurrentEpoch(ctx, s, func(e *Epoch) (Node, error) { return e.node(ctx, "get", path) })
	return n.Data, n.Stat, err
}

// Exists returns a node's Stat and reports whether the node exists.
func (s *Session) Exists(ctx context.Context, path string) (Stat, bool, error) {
	st, err := inCurrentEpoch(ctx, s, func(e *Epoch) (Stat, error) {
		c, err := e.read(ctx, "exists", path, wire.OpExists, &wire.Stat{})
		if err != nil {
			return Stat{}, err
		}
		return fromWire(c.Reply.(*wire.Stat)), nil
	})
	if errors.Is(err, ErrNoNode) {
		return Stat{}, false, nil
	}
	return st, err == nil, err
}

// Children returns the names of a node's children, in no particular order.
func (s *Session) Children(ctx context.Context, path string) ([]string, Stat, error) {
	r, err := inCurrentEpoch(ctx, s, func(e *Epoch) (*wire.ChildrenResponse, error) {
		c, err := e.read(ctx, "list", path, wire.OpGetChildren2, &wire.ChildrenResponse{})
		if err != nil {
			return &wire.ChildrenResponse{}, err
		}
		return c.Reply.(*wire.ChildrenResponse), nil
	})
	return r.Children, fromWire(&r.Stat), err
}

// Sync makes the server of the session's connection catch up with its leader, so that
// later reads see every change that was committed before Sync was called.
func (s *Session) Sync(ctx context.Context, path string) error {
	_, err := inCurrentEpoch(ctx, s, func(e *Epoch) (*conn.Call, error) {
		return e.read(ctx, "sync", path, wire.OpSync, &wire.Path{})
	})
	return err
}

// ACL returns a node's access control list. The server hides the secrets in it from
// clients that may not change it.
func (s *Session) ACL(ctx context.Context, path string) ([]ACL, Stat, error) {
	r, err := inCurrentEpoch(ctx, s, func(e *Epoch) (*wire.GetACLResponse, error) {
		c, err := e.read(ctx, "get ACL of", path, wire.OpGetACL, &wire.GetACLResponse{})
		if err != nil {
			return &wire.GetACLResponse{}, err
		}
		return c.Reply.(*wire.GetACLResponse), nil
	})
	acl := make([]ACL, 0, len(r.ACL))
	for _, a := range r.ACL {
		acl = append(acl, ACL{Perm(a.Perms), a.Scheme, a.ID})
	}
	return acl, fromWire(&r.Stat), err
}

// Node is a node as one read returned it.
type Node struct {
	Path string
	Data []byte
	Stat Stat
	Err  error // of Nodes, Stats and WatchNodes: ErrNoNode, ErrNoAuth
	// Watch is set by WatchNodes and fires at the node's next change. It is nil if Err
	// is not nil.
	Watch *Watch
}

// node reads a node with getData.
func (e *Epoch) node(ctx context.Context, op, path string) (Node, error) {
	c, err := e.read(ctx, op, path, wire.OpGetData, &wire.GetDataResponse{})
	if err != nil {
		return Node{Path: path, Err: err}, err
	}
	r := c.Reply.(*wire.GetDataResponse)
	return Node{Path: path, Data: r.Data, Stat: fromWire(&r.Stat)}, nil
}

// Nodes reads several nodes and returns them in the order of paths. It takes one round
// trip.
func (e *Epoch) Nodes(ctx context.Context, paths ...string) ([]Node, error) {
	return e.nodes(ctx, "get", false, paths)
}

// Stats is Nodes without the data. Only recipes need it.
func (e *Epoch) Stats(ctx context.Context, paths ...string) ([]Node, error) {
	const op = "exists"
	if len(paths) == 0 {
		return nil, nil
	}
	calls, _, err := e.readAll(ctx, op, wire.OpExists, nil, paths)
	if err != nil {
		return nil, err
	}
	nodes := make([]Node, len(paths))
	for i, c := range calls {
		nodes[i] = Node{Path: paths[i], Stat: fromWire(c.Reply.(*wire.Stat)), Err: opError(op, paths[i], c.Result())}
	}
	return nodes, nil
}

// WatchNodes reads several nodes, watches those that exist, and returns them in the
// order of paths. It takes one round trip.
func (e *Epoch) WatchNodes(ctx context.Context, paths ...string) ([]Node, error) {
	return e.nodes(ctx, "watch", true, paths)
}

func (e *Epoch) nodes(ctx context.Context, op string, watch bool, paths []string) ([]Node, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	var arm armer
	if watch {
		arm = e.conn.Arm
	}
	calls, watches, err := e.readAll(ctx, op, wire.OpGetData, arm, paths)
	if err != nil {
		return nil, err
	}
	nodes := make([]Node, len(paths))
	for i, c := range calls {
		r := c.Reply.(*wire.GetDataResponse)
		nodes[i] = Node{Path: paths[i], Data: r.Data, Stat: fromWire(&r.Stat), Err: opError(op, paths[i], c.Result())}
		if watch && nodes[i].Err == nil {
			nodes[i].Watch = watches[i]
		}
	}
	return nodes, nil
}

// WatchExists watches a node, whether it exists or not. The watch fires when the node
// is created, changed or deleted.
func (e *Epoch) WatchExists(ctx context.Context, path string) (Stat, bool, *Watch, error) {
	calls, watches, err := e.readAll(ctx, "watch", wire.OpExists, e.conn.Arm, []string{path})
	if err != nil {
		return Stat{}, false, nil, err
	}
	switch err := calls[0].Result(); {
	case errors.Is(err, ErrNoNode):
		return Stat{}, false, watches[0], nil
	case err != nil:
		return Stat{}, false, nil, opError("watch", path, err)
	}
	return fromWire(calls[0].Reply.(*wire.Stat)), true, watches[0], nil
}

// WatchNode watches a node without reading its data. The watch fires when the node is
// changed or deleted. If the node does not exist, nothing is watched, and the error is
// ErrNoNode.
func (e *Epoch) WatchNode(ctx context.Context, path string) (Stat, *Watch, error) {
	calls, watches, err := e.readAll(ctx, "watch", wire.OpExists, e.conn.ArmExisting, []string{path})
	if err != nil {
		return Stat{}, nil, err
	}
	if err := calls[0].Result(); err != nil {
		return Stat{}, nil, opError("watch", path, err)
	}
	return fromWire(calls[0].Reply.(*wire.Stat)), watches[0], nil
}

// WatchChildren lists a node's children and watches them. The watch fires when a child
// is created or deleted, or the node itself is deleted.
func (e *Epoch) WatchChildren(ctx context.Context, path string) ([]string, Stat, *Watch, error) {
	ls, err := e.WatchListings(ctx, path)
	if err != nil {
		return nil, Stat{}, nil, err
	}
	return ls[0].Names, ls[0].Stat, ls[0].Watch, ls[0].Err
}

// Listing is a node's children as one read returned them.
type Listing struct {
	Path  string
	Names []string // in no particular order
	Stat  Stat
	Err   error // ErrNoNode, ErrNoAuth
	// Watch fires when a child is created or deleted, or the node itself is deleted. It
	// is nil if Err is not nil.
	Watch *Watch
}

// WatchListings lists and watches the children of several nodes, and returns them in
// the order of paths. It takes one round trip. Only recipes need it; see WatchChildren.
func (e *Epoch) WatchListings(ctx context.Context, paths ...string) ([]Listing, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	calls, watches, err := e.readAll(ctx, "list", wire.OpGetChildren2, e.conn.Arm, paths)
	if err != nil {
		return nil, err
	}
	listings := make([]Listing, len(paths))
	for i, c := range calls {
		r := c.Reply.(*wire.ChildrenResponse)
		listings[i] = Listing{Path: paths[i], Names: r.Children, Stat: fromWire(&r.Stat), Err: opError("list", paths[i], c.Result())}
		if listings[i].Err == nil {
			listings[i].Watch = watches[i]
		}
	}
	return listings, nil
}

// WatchChildrenSince watches the children of a node without listing them. Only recipes
// need it, for nodes with many children.
//
// The watch fires when a child is created or deleted. It fires immediately if that has
// happened after the transaction since (see Stat.Pzxid), or if the node does not exist.
// After 2147483647 children have been created in a node, creates do not change Pzxid
// any more, and WatchChildrenSince misses them.
func (e *Epoch) WatchChildrenSince(ctx context.Context, path string, since Zxid) (*Watch, error) {
	const op = "watch"
	if err := checkPath(path); err != nil {
		return nil, opError(op, path, err)
	}
	abs := e.session.root.abs(path)
	var tries conn.Tries
	for {
		if e.conn.Lacks(wire.OpSetWatches) {
			return e.listChildrenSince(ctx, path, since)
		}
		c := conn.NewCall(wire.OpSetWatches, abs, &wire.SetWatches{RelativeZxid: int64(since), Child: []string{abs}}, &wire.Empty{})
		c.Tries = &tries
		w := &Watch{epoch: e}
		e.conn.ArmSince(&w.watch, c)
		sent, err := e.conn.Exchange(ctx, c)
		if err == nil && c.Result() == nil {
			return w, nil
		}
		w.Close()
		if !sent {
			e.conn.Disarm(&w.watch)
		}
		if err != nil {
			return nil, opError(op, path, err)
		}
		if e.conn.Learn(c); !c.Retryable() && !e.conn.Lacks(c.Op) {
			return nil, opError(op, path, c.Result())
		}
		e.conn.Throttle(ctx, c)
	}
}

// listChildrenSince is WatchChildrenSince for servers without setWatches. It lists the
// children.
func (e *Epoch) listChildrenSince(ctx context.Context, path string, since Zxid) (*Watch, error) {
	_, st, w, err := e.WatchChildren(ctx, path)
	switch {
	case errors.Is(err, ErrNoNode):
		w = &Watch{epoch: e}
		e.conn.ArmDeleted(&w.watch)
		return w, nil
	case err != nil:
		return nil, err
	case st.Pzxid > since:
		e.conn.Fire(&w.watch)
	}
	return w, nil
}

// Children returns the names of a node's children, in no particular order.
func (e *Epoch) Children(ctx context.Context, path string) ([]string, error) {
	c, err := e.read(ctx, "list", path, wire.OpGetChildren2, &wire.ChildrenResponse{})
	if err != nil {
		return nil, err
	}
	return c.Reply.(*wire.ChildrenResponse).Children, nil
}

// Sync is Session.Sync within the epoch.
func (e *Epoch) Sync(ctx context.Context, path string) error {
	_, err := e.read(ctx, "sync", path, wire.OpSync, &wire.Path{})
	return err
}

// read sends a request that changes nothing, and repeats it after a lost connection.
func (e *Epoch) read(ctx context.Context, op, path string, code wire.Op, reply wire.Record) (*conn.Call, error) {
	if err := checkPath(path); err != nil {
		return nil, opError(op, path, err)
	}
	var tries conn.Tries
	for {
		c := e.readCall(code, path, false)
		c.Reply, c.Tries = reply, &tries
		if _, err := e.conn.Exchange(ctx, c); err != nil {
			return nil, opError(op, path, err)
		}
		if c.Retryable() {
			e.conn.Throttle(ctx, c)
			continue
		}
		return c, opError(op, path, c.Result())
	}
}

func (e *Epoch) readCall(code wire.Op, path string, watch bool) *conn.Call {
	abs := e.session.root.abs(path)
	switch code {
	case wire.OpGetData:
		return conn.NewCall(code, abs, &wire.PathWatch{Path: abs, Watch: watch}, &wire.GetDataResponse{})
	case wire.OpExists:
		return conn.NewCall(code, abs, &wire.PathWatch{Path: abs, Watch: watch}, &wire.Stat{})
	case wire.OpGetChildren2:
		return conn.NewCall(code, abs, &wire.PathWatch{Path: abs, Watch: watch}, &wire.ChildrenResponse{})
	default: // sync, getACL
		return conn.NewCall(code, abs, &wire.Path{Path: abs}, nil)
	}
}

// An armer makes a read register a watch when its reply arrives: Conn.Arm, or
// Conn.ArmExisting.
type armer func(w *conn.Watch, c *conn.Call)

// readAll sends reads together, and repeats all of them if the connection breaks before
// the last reply. The caller must close the watches.
func (e *Epoch) readAll(ctx context.Context, op string, code wire.Op, arm armer, paths []string) ([]*conn.Call, []*Watch, error) {
	for _, p := range paths {
		if err := checkPath(p); err != nil {
			return nil, nil, opError(op, p, err)
		}
	}
	tries := make([]conn.Tries, len(paths))
	for {
		calls := make([]*conn.Call, len(paths))
		watches := make([]*Watch, len(paths))
		for i, p := range paths {
			calls[i] = e.readCall(code, p, arm != nil)
			calls[i].Tries = &tries[i]
			if arm != nil {
				watches[i] = &Watch{epoch: e}
				arm(&watches[i].watch, calls[i])
			}
		}
		sent, err := e.conn.Exchange(ctx, calls...)
		if err == nil && !slices.ContainsFunc(calls, (*conn.Call).Retryable) {
			return calls, watches, nil
		}
		for _, w := range watches {
			switch {
			case w == nil:
			case !sent:
				e.conn.Disarm(&w.watch)
			default:
				w.Close()
			}
		}
		if err != nil {
			return nil, nil, opError(op, paths[0], err)
		}
		e.conn.Throttle(ctx, calls...)
	}
}
