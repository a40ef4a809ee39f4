package zktest

import (
	"fmt"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// A Refusal is the way in which a server refuses an operation that it does not know.
type Refusal uint8

// The ways to refuse an operation.
const (
	RefuseByClosing     Refusal = iota + 1 // close the connection, without a reply
	RefuseUnimplemented                    // reply with "unimplemented" (-6), then close, as ZooKeeper does
	RefuseBadArguments                     // reply with "bad arguments" (-8)
)

// WithRefused makes the server refuse operations, named as in Request.Op, and
// transactions that contain them. Use it to test how a client works with servers that
// do not implement all operations.
func WithRefused(how Refusal, ops ...string) Option {
	return optionFunc(func(o *options) {
		if o.refused == nil {
			o.refused = make(map[string]Refusal)
		}
		for _, op := range ops {
			o.refused[op] = how
		}
	})
}

// WithOldKeeper makes the server refuse the operations that old versions of ClickHouse
// Keeper do not implement: create2, removeWatches, createContainer, createTTL,
// multiRead, setWatches, setWatches2 and addWatch. It closes the connection on each.
func WithOldKeeper() Option {
	return WithRefused(RefuseByClosing, notInOldKeeper...)
}

var notInOldKeeper = []string{
	"create2", "removeWatches", "createContainer", "createTTL", "multiRead", "setWatches", "setWatches2", "addWatch",
}

// checkRefused returns an error if a refused name is not an operation.
func (o *options) checkRefused() error {
	for name := range o.refused {
		known := false
		for op := wire.Op(1); op < 200 && !known; op++ {
			known = op.String() == name
		}
		if !known {
			return fmt.Errorf("zktest: unknown operation %q", name)
		}
	}
	return nil
}

// refusal returns how a request is refused, or 0 if it is not.
func (s *Server) refusal(q *call) Refusal {
	if len(s.opts.refused) == 0 {
		return 0
	}
	if how := s.opts.refused[q.op]; how != 0 {
		return how
	}
	if m, ok := q.body.(*wire.MultiRequest); ok {
		for _, op := range m.Ops {
			if how := s.opts.refused[op.Op.String()]; how != 0 {
				return how
			}
		}
	}
	return 0
}

// refuse answers a request of an operation that the server does not know.
func (s *Server) refuse(c *conn, xid int32, how Refusal) {
	switch how {
	case RefuseByClosing:
		c.afterApplied(func() { s.cut(c) })
	case RefuseUnimplemented:
		c.afterApplied(func() {
			s.reply(c, xid, wire.CodeUnimplemented, nil)
			s.cut(c)
		})
	default:
		c.afterApplied(func() { s.reply(c, xid, wire.CodeBadArguments, nil) })
	}
}
