package zktest

import (
	"math"

	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// JumpSequence sets the number that the next sequential child of path gets,
// as if so many children had been created. It does nothing where there is no
// such node. After 2147483647 comes -2147483648, as ZooKeeper documents and as
// its servers did before 3.5; EndSequence is for what they do since.
func (s *Server) JumpSequence(path string, next int32) { s.setSequence(path, next, true, 0) }

// EndSequence makes 2147483647 the number of the next sequential child of path,
// and of every later one: real servers since 3.5 do not count on. A create is
// then refused while there is a child of that name. Creates of children do not
// change Stat.Cversion plus NumChildren any more, and not Stat.Pzxid.
func (s *Server) EndSequence(path string) { s.setSequence(path, math.MaxInt32, false, 0) }

// EndSequenceInBursts is EndSequence under load: real servers count on while
// creates are in flight. Children are numbered as if n creates at a time were in
// flight: with n = 3, 2147483647, -2147483648, -2147483647, 2147483647 and so on.
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
