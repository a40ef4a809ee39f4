package conn

import (
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Watch is one waiter for the next change of one node or of its children. Each is set by
// one of the methods of Conn whose names begin with Arm.
type Watch struct {
	key            watchKey
	all            *watches
	fired          chan struct{}
	generation     int // of the connection that first set it, which rearm does not change; this and the next fields are under all.mu
	event          int32
	sameConnection bool
	closed         bool
	existing       bool // set by ArmExisting, not under all.mu
	wakeup         chan<- struct{}
}

// Path returns the path of the node as the server sees it, with the chroot.
func (w *Watch) Path() string { return w.key.path }

// Fired returns a channel that is closed at the change.
func (w *Watch) Fired() <-chan struct{} { return w.fired }

// Notify makes w send to wakeup when it fires, or immediately if it has fired already. It
// does not block on the channel.
func (w *Watch) Notify(wakeup chan<- struct{}) {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	w.wakeup = wakeup
	if channel.IsClosed(w.fired) {
		w.wake()
	}
}

// wake sends to the channel of Notify. The caller must hold w.all.mu.
func (w *Watch) wake() {
	if !w.closed {
		channel.Wake(w.wakeup)
	}
}

// SameConnection reports, for a watch that has fired, whether its event arrived on the
// connection of the request that Arm or ArmSince was called for, without a reconnect in
// between.
func (w *Watch) SameConnection() bool {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	return w.sameConnection
}

// Deleted reports, for a watch that has fired, whether the node was deleted.
func (w *Watch) Deleted() bool {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	return w.event == wire.EventDeleted
}

// Close removes the watch. It must be called unless w has fired.
func (w *Watch) Close() { w.all.drop(w) }

type watchKey struct {
	path     string // as the server sees it, with the chroot
	children bool
}

// watches are the watches that are set on the server of a session, or about to be set.
type watches struct {
	cc   *Conn
	mu   sync.Mutex
	byID map[watchKey]*shared
}

// shared is one watch on the server, and the watches of callers that share it.
type shared struct {
	interested   map[*Watch]struct{}
	arming       int  // reads in flight that will set it
	held         bool // it is set on the server of the present connection
	absent       bool // the node did not exist when it was set
	pzxidStopped bool // see wire.Stat.PzxidStopped
}

func newWatches(cc *Conn) *watches {
	return &watches{cc: cc, byID: make(map[watchKey]*shared)}
}

// Arm makes c, a read that sets a watch, register w when its reply arrives, since only
// later events are for w. The caller must send c or call Disarm.
func (cc *Conn) Arm(w *Watch, c *Call) {
	ws := cc.watches
	ws.mu.Lock()
	defer ws.mu.Unlock()
	s := ws.add(w, c.Path, c.Op == wire.OpGetChildren2)
	s.arming++
	c.onReply = func(c *Call) { ws.armed(w, c) }
}

// ArmExisting is Arm for a read that may find no node. If so, nothing is watched: the
// request to remove the watch is sent before the read returns.
func (cc *Conn) ArmExisting(w *Watch, c *Call) {
	w.existing = true
	cc.Arm(w, c)
}

// ArmSince is Arm for a setWatches. The server sends an event for an earlier change
// before the reply, so ArmSince registers w immediately.
func (cc *Conn) ArmSince(w *Watch, c *Call) {
	ws := cc.watches
	ws.mu.Lock()
	defer ws.mu.Unlock()
	s := ws.add(w, c.Path, true)
	w.generation = ws.cc.attachments()
	s.interested[w] = struct{}{}
	s.arming++
	c.onReply = func(c *Call) {
		ws.mu.Lock()
		defer ws.mu.Unlock()
		s.arming--
		if !channel.IsClosed(w.fired) {
			s.held = s.held || c.Err == nil && c.Code == wire.OK
		}
		ws.sweep(w.key, s)
	}
}

// ArmDeleted makes w a watch that has fired because its node does not exist.
func (cc *Conn) ArmDeleted(w *Watch) {
	w.all, w.fired, w.event = cc.watches, make(chan struct{}), wire.EventDeleted
	close(w.fired)
}

// add initializes w and returns the shared watch of its key. The caller must hold ws.mu.
func (ws *watches) add(w *Watch, path string, children bool) *shared {
	w.key, w.all, w.fired = watchKey{path, children}, ws, make(chan struct{})
	s := ws.byID[w.key]
	if s == nil {
		s = &shared{interested: make(map[*Watch]struct{})}
		ws.byID[w.key] = s
	}
	return s
}

func (ws *watches) armed(w *Watch, c *Call) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	s := ws.byID[w.key]
	s.arming--
	absent := c.Op == wire.OpExists && c.Code == wire.CodeNoNode
	if c.Err == nil && (c.Code == wire.OK || absent) {
		s.held, s.absent = true, absent
		if r, ok := c.Reply.(*wire.ChildrenResponse); ok {
			s.pzxidStopped = r.Stat.PzxidStopped()
		}
		if !w.closed && !(absent && w.existing) {
			w.generation = ws.cc.attachments()
			s.interested[w] = struct{}{}
		}
	}
	ws.sweep(w.key, s)
}

// Disarm undoes Arm, ArmExisting or ArmSince if the call was not sent.
func (cc *Conn) Disarm(w *Watch) {
	ws := cc.watches
	ws.mu.Lock()
	defer ws.mu.Unlock()
	s := ws.byID[w.key]
	s.arming--
	ws.sweep(w.key, s)
}

func (ws *watches) drop(w *Watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w.closed = true
	if s := ws.byID[w.key]; s != nil {
		if _, ok := s.interested[w]; ok {
			delete(s.interested, w)
			ws.sweep(w.key, s)
		}
	}
}

// sweep removes a shared watch that no watch uses any more, on the server too if it is
// set there. While reads that set it are in flight it does nothing: the last of their
// replies calls sweep again.
func (ws *watches) sweep(key watchKey, s *shared) {
	if len(s.interested) > 0 || s.arming > 0 {
		return
	}
	delete(ws.byID, key)
	if t := ws.cc.openedTransport(); t != nil && s.held && !ws.cc.capabilities.lacks(wire.OpRemoveWatches) {
		kind := wire.WatcherData
		if key.children {
			kind = wire.WatcherChildren
		}
		c := NewCall(wire.OpRemoveWatches, key.path, &wire.PathKind{Path: key.path, Kind: kind}, &wire.Empty{})
		c.Tries = &ws.cc.removeTries
		c.onReply = ws.cc.capabilities.learn
		t.send(c)
	}
}

// fire fires the watches that an event is for. It runs in the goroutine that reads the
// connection.
func (ws *watches) fire(ev wire.WatcherEvent) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ev.Type != wire.EventChildrenChanged {
		ws.fireKey(watchKey{ev.Path, false}, ev.Type)
	}
	if ev.Type == wire.EventChildrenChanged || ev.Type == wire.EventDeleted {
		ws.fireKey(watchKey{ev.Path, true}, ev.Type)
	}
}

func (ws *watches) fireKey(key watchKey, event int32) {
	s := ws.byID[key]
	if s == nil {
		return
	}
	generation := ws.cc.attachments()
	for w := range s.interested {
		w.event, w.sameConnection = event, w.generation == generation
		close(w.fired)
		w.wake()
	}
	clear(s.interested)
	s.held = false
	ws.sweep(key, s)
}

// rearmLimit is the maximal size of one setWatches. It is so small that a server that
// rejects the request does not know the operation.
const rearmLimit = safeRequestSize - 4<<10

// rearm sets the watches of the old connection again on a new one. The server immediately
// sends events for changes since zxid. If the servers do not know setWatches, all watches
// fire instead, so that their users read again and set new ones.
func (ws *watches) rearm(t *transport, zxid int64) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.cc.capabilities.lacks(wire.OpSetWatches) {
		ws.fireAll()
		return
	}
	var calls []*Call
	var req *wire.SetWatches
	size := 0
	for key, s := range ws.byID {
		if s.pzxidStopped {
			s.pzxidStopped = false
			ws.fireKey(key, wire.EventChildrenChanged) // the server may send no event for new children
			continue
		}
		s.held = len(s.interested) > 0
		if !s.held {
			continue
		}
		if req == nil || size > rearmLimit {
			req, size = &wire.SetWatches{RelativeZxid: zxid}, 0
			calls = append(calls, NewCall(wire.OpSetWatches, "", req, &wire.Empty{}))
			last := calls[len(calls)-1]
			last.onReply, last.Tries = ws.rearmed, &ws.cc.rearmTries
		}
		size += 4 + len(key.path)
		switch {
		case key.children:
			req.Child = append(req.Child, key.path)
		case s.absent:
			req.Exist = append(req.Exist, key.path)
		default:
			req.Data = append(req.Data, key.path)
		}
	}
	t.send(calls...)
}

// rearmed runs when a setWatches of rearm is done.
func (ws *watches) rearmed(c *Call) {
	switch {
	case c.Err != nil: // rearm is called for the next connection
		ws.cc.capabilities.learn(c)
	case c.Code != wire.OK && !c.Retryable():
		ws.cc.capabilities.learn(c)
		ws.mu.Lock()
		defer ws.mu.Unlock()
		ws.fireAll()
	}
}

// fireAll fires every watch. The caller must hold ws.mu.
func (ws *watches) fireAll() {
	for key, s := range ws.byID {
		if len(s.interested) == 0 {
			continue
		}
		event := wire.EventDataChanged
		if key.children {
			event = wire.EventChildrenChanged
		}
		ws.fireKey(key, event)
	}
}

// Fire fires one watch, as if its node's children had changed.
func (cc *Conn) Fire(w *Watch) {
	ws := cc.watches
	ws.mu.Lock()
	defer ws.mu.Unlock()
	s := ws.byID[w.key]
	if s == nil {
		return
	}
	if _, ok := s.interested[w]; ok {
		delete(s.interested, w)
		w.event = wire.EventChildrenChanged
		close(w.fired)
		w.wake()
		ws.sweep(w.key, s)
	}
}
