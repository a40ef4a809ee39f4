package zktest

import (
	"math"

	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// JumpSequence sets the number that the next sequential child of path gets, as if that
// many children had been created. It does nothing if there is no such node.
//
// -2147483648 follows 2147483647, as ZooKeeper documents and as servers before 3.5 did.
// Use EndSequence for the behavior of later servers.
func (s *Server) JumpSequence(path string, next int32) { s.setSequence(path, next, true, 0) }

// EndSequence makes 2147483647 the number of the next sequential child of path and of all
// later ones, as on real servers since 3.5. A create is refused while there is a child
// with that name. Creates of children do not change Stat.Pzxid any more, nor the sum of
// Stat.Cversion and Stat.NumChildren.
func (s *Server) EndSequence(path string) { s.setSequence(path, math.MaxInt32, false, 0) }

// EndSequenceInBursts is EndSequence as on a real server under load, which counts on while
// creates are in flight. Children are numbered as if n creates at a time were in flight:
// with n = 3, 2147483647, -2147483648, -2147483647, 2147483647 and so on.
func (s *Server) EndSequenceInBursts(path string, n uint8) {
	s.setSequence(path, math.MaxInt32, false, n)
}

func (s *Server) setSequence(path string, next int32, wraps bool, burst uint8) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := func(t *ztree.Txn) { t.Tree().SetSequence(path, next, wraps, burst) }
	t := ztree.NewTxn(s.tree)
	t.Zxid = s.zxid
	set(t)
	s.replicate(t, set)
}
