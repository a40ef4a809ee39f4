package zktest

import (
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// readOp executes an operation that changes nothing except watches.
func (s *Server) readOp(c *conn, op wire.Op, body wire.Record) (wire.Code, wire.Record) {
	switch r := body.(type) {
	case *wire.PathWatch:
		if op == wire.OpExists {
			return s.exists(c, r)
		}
		return s.get(c, op, r)
	case *wire.MultiRequest:
		return s.multiRead(c, r)
	case *wire.SetWatches:
		s.setWatches(c, r)
		return wire.OK, nil
	case *wire.PathKind:
		if op == wire.OpAddWatch {
			return s.addWatch(c, r)
		}
		return s.namedWatch(c, op, r), nil
	case *wire.Path:
		switch op {
		case wire.OpGetACL:
			return s.getACL(c, r.Path)
		case wire.OpGetEphemerals:
			return wire.OK, s.ephemerals(c, r.Path)
		case wire.OpGetAllChildrenNumber:
			return s.countDescendants(c, r.Path)
		}
	}
	return wire.CodeUnimplemented, nil
}

// exists sets a watch also if there is no node. In ZooKeeper 3.8 it is also answered to
// clients that may not read the node.
func (s *Server) exists(c *conn, r *wire.PathWatch) (wire.Code, wire.Record) {
	if strings.IndexByte(r.Path, 0) >= 0 {
		return wire.CodeBadArguments, nil
	}
	n := c.tree().Node(r.Path)
	if n != nil && !s.opts.old && !ztree.Permitted(n.ACL(), wire.PermRead, c.ids) {
		return wire.CodeNoAuth, nil
	}
	if r.Watch {
		c.watches().nodes.add(r.Path, c, watchOnce)
	}
	if n == nil {
		return wire.CodeNoNode, nil
	}
	stat := n.Stat()
	return wire.OK, &stat
}

// readable returns a node if the connection has one of perms for it.
func (s *Server) readable(c *conn, path string, perms int32) (*ztree.Node, wire.Code) {
	n := c.tree().Node(path)
	switch {
	case n == nil:
		return nil, wire.CodeNoNode
	case !ztree.Permitted(n.ACL(), perms, c.ids):
		return nil, wire.CodeNoAuth
	}
	return n, wire.OK
}

// get executes getData, getChildren and getChildren2.
func (s *Server) get(c *conn, op wire.Op, r *wire.PathWatch) (wire.Code, wire.Record) {
	n, code := s.readable(c, r.Path, wire.PermRead)
	if code != wire.OK {
		return code, nil
	}
	table := c.watches().children
	if op == wire.OpGetData {
		table = c.watches().nodes
	}
	if r.Watch {
		table.add(r.Path, c, watchOnce)
	}
	switch op {
	case wire.OpGetData:
		return wire.OK, &wire.GetDataResponse{Data: n.Data(), Stat: n.Stat()}
	case wire.OpGetChildren:
		return wire.OK, stringList(n.Children())
	}
	return wire.OK, &wire.ChildrenResponse{Children: n.Children(), Stat: n.Stat()}
}

func (s *Server) getACL(c *conn, path string) (wire.Code, wire.Record) {
	n, code := s.readable(c, path, wire.PermRead|wire.PermAdmin)
	if code != wire.OK {
		return code, nil
	}
	acl := n.ACL()
	if !ztree.Permitted(acl, wire.PermAdmin, c.ids) {
		acl = ztree.MaskDigests(acl)
	}
	return wire.OK, &wire.GetACLResponse{ACL: acl, Stat: n.Stat()}
}

// ephemerals returns the paths of the session's nodes that begin with a prefix.
func (s *Server) ephemerals(c *conn, prefix string) wire.Record {
	if strings.TrimSpace(prefix) == "" || strings.TrimSpace(prefix) == "/" {
		prefix = ""
	}
	own := stringList{}
	for _, path := range c.tree().Ephemerals(c.id) {
		if strings.HasPrefix(path, prefix) {
			own = append(own, path)
		}
	}
	return own
}

// countDescendants executes getAllChildrenNumber: it counts the nodes below a path.
func (s *Server) countDescendants(c *conn, path string) (wire.Code, wire.Record) {
	if _, code := s.readable(c, path, wire.PermRead); code != wire.OK {
		return code, nil
	}
	return wire.OK, number(c.tree().Descendants(path))
}

// setWatches sets the watches that a client had on its last connection. If a node has
// changed since, it sends the event at once, also to a client that may not read the node.
func (s *Server) setWatches(c *conn, r *wire.SetWatches) {
	changed := func(n *ztree.Node, zxid int64) bool { return n == nil || zxid > r.RelativeZxid }
	notify := func(path string, event int32) { c.notify(path, event, nil, noZxid) }
	for _, path := range r.Data {
		switch n := c.tree().Node(path); {
		case n == nil:
			notify(path, wire.EventDeleted)
		case changed(n, n.Stat().Mzxid):
			notify(path, wire.EventDataChanged)
		default:
			c.watches().nodes.add(path, c, watchOnce)
		}
	}
	for _, path := range r.Exist {
		if n := c.tree().Node(path); n != nil {
			notify(path, wire.EventCreated)
		} else {
			c.watches().nodes.add(path, c, watchOnce)
		}
	}
	for _, path := range r.Child {
		switch n := c.tree().Node(path); {
		case n == nil:
			notify(path, wire.EventDeleted)
		case changed(n, n.Stat().Pzxid):
			notify(path, wire.EventChildrenChanged)
		default:
			c.watches().children.add(path, c, watchOnce)
		}
	}
	for _, path := range r.Persistent {
		c.watches().addPersistent(path, c, false)
	}
	for _, path := range r.PersistentRecursive {
		c.watches().addPersistent(path, c, true)
	}
}

// noZxid is the zxid of an event that no current transaction has caused.
const noZxid = -1

// addWatch sets a persistent watch. The body of its reply repeats the error code.
func (s *Server) addWatch(c *conn, r *wire.PathKind) (wire.Code, wire.Record) {
	if r.Kind != 0 && r.Kind != 1 {
		return wire.CodeMarshallingError, nil
	}
	c.watches().addPersistent(r.Path, c, r.Kind == 1)
	return wire.OK, number(0)
}

// namedWatch executes checkWatches and removeWatches.
func (s *Server) namedWatch(c *conn, op wire.Op, r *wire.PathKind) wire.Code {
	tables, mode := c.watches().tables(r.Kind)
	if tables == nil {
		return wire.CodeMarshallingError
	}
	code := wire.CodeNoWatcher
	for _, table := range tables {
		if op == wire.OpCheckWatches && table.single && r.Path != "" && !strings.Contains(r.Path, "/") {
			return wire.CodeMarshallingError // there are no parents that could have recursive watches
		}
		if op == wire.OpCheckWatches && table.has(r.Path, c, mode) ||
			op == wire.OpRemoveWatches && table.remove(r.Path, c, mode) {
			code = wire.OK
		}
	}
	return code
}
