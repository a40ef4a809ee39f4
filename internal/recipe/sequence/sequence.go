// Package sequence models how servers number sequential nodes, and orders nodes past
// the last number. Past that number, the number alone does not give the order.
package sequence

import (
	"context"
	"errors"
	"math"
	"sync"

	"github.com/zkrecipes/zkrecipes/session"
)

// Last is the number that real servers give to every sequential child once they have
// given it to one. While creates are in flight, and within one transaction, they
// continue from -2147483648, and give out the last number again afterwards. Servers
// before 3.5 always continue.
const Last = math.MaxInt32

// PastEnd reports whether n is the last number or one of the next 2^20 numbers, which
// real servers may give out again and in another order. No server has more creates in
// flight.
func PastEnd(n int32) bool {
	const inFlight = 1 << 20
	return uint32(n-Last) <= inFlight
}

// DoubleCount returns twice the number of children that were created below a node,
// modulo 2^32. ZooKeeper numbers sequential children by the number of creates. Cversion
// is, as in old versions, the number of creates and deletes.
func DoubleCount(st session.Stat) uint32 { return uint32(st.Cversion) + uint32(st.NumChildren) }

// Created returns the number of children that were created below a node, without the
// highest bit. On real servers it stays at Last once it has reached it.
func Created(st session.Stat) int32 { return int32(DoubleCount(st) / 2) }

// Creations records the czxids of nodes past the end of the numbers by name. Only the
// czxid gives their order. Children that one transaction created have the same czxid,
// and their numbers continue from Last.
type Creations struct{ zxids sync.Map }

// Note records the czxid of a node.
func (c *Creations) Note(name string, created session.Zxid) { c.zxids.Store(name, created) }

// Of returns the czxid of a node; ok is false if it is not known.
func (c *Creations) Of(name string) (created session.Zxid, ok bool) {
	at, ok := c.zxids.Load(name)
	if !ok {
		return 0, false
	}
	return at.(session.Zxid), true
}

// Forget removes a node.
func (c *Creations) Forget(name string) { c.zxids.Delete(name) }

// Read reads the stats of the children of dir that are in names and not known, in one
// flight, and forgets all nodes that are not in names. Deleted children stay unknown.
func (c *Creations) Read(ctx context.Context, e *session.Epoch, dir string, names map[string]bool) error {
	c.zxids.Range(func(name, _ any) bool {
		if !names[name.(string)] {
			c.zxids.Delete(name)
		}
		return true
	})
	var unknown []string
	for name := range names {
		if _, ok := c.Of(name); !ok {
			unknown = append(unknown, session.Join(dir, name))
		}
	}
	nodes, err := e.Stats(ctx, unknown...)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		switch _, name := session.Split(n.Path); {
		case n.Err == nil:
			c.Note(name, n.Stat.Czxid)
		case !errors.Is(n.Err, session.ErrNoNode):
			return n.Err
		}
	}
	return nil
}
