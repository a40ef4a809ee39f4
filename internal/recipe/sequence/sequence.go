// Package sequence knows how servers number sequential nodes.
package sequence

import (
	"context"
	"errors"
	"math"
	"sync"

	"github.com/zkrecipes/zkrecipes/session"
)

// Last is the number that real servers give to every sequential child once they
// have given it to one, unless creates are in flight: they count on from
// -2147483648 for these, and give out the last number again afterwards. Within one
// transaction they count on, too. Servers before 3.5 count on in any case.
const Last = math.MaxInt32

// PastEnd reports whether n is the last number, or one of those behind it, which
// real servers may give out again and in another order. No server has so many
// creates in flight.
func PastEnd(n int32) bool {
	const inFlight = 1 << 20
	return uint32(n-Last) <= inFlight
}

// DoubleCount is twice the number of children that have been created below a node,
// modulo 2^32. ZooKeeper numbers sequential children by that count, and shows it in
// Cversion as what it was in old versions, the number of creates and deletes.
func DoubleCount(st session.Stat) uint32 { return uint32(st.Cversion) + uint32(st.NumChildren) }

// Created is the number of children that have been created below a node, but for the
// uppermost bit. On real servers it stays at Last once it is there.
func Created(st session.Stat) int32 { return int32(DoubleCount(st) / 2) }

// Creations knows when nodes past the end of the numbers were created, by name. Only
// that tells their order. Children that one transaction has created have the same
// zxid, and their numbers count on from Last.
type Creations struct{ zxids sync.Map }

// Note adds what is known of a node.
func (c *Creations) Note(name string, created session.Zxid) { c.zxids.Store(name, created) }

// Of returns when a node was created, and false if that is not known.
func (c *Creations) Of(name string) (created session.Zxid, ok bool) {
	at, ok := c.zxids.Load(name)
	if !ok {
		return 0, false
	}
	return at.(session.Zxid), true
}

// Forget removes a node.
func (c *Creations) Forget(name string) { c.zxids.Delete(name) }

// Read reads the stats of those children of dir that are not known, in one flight,
// and forgets all that are not in names. Children that have gone stay unknown.
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
