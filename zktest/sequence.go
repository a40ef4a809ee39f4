package zktest

import "math"

// JumpSequence sets the number that the next sequential child of path gets,
// as if so many children had been created. It does nothing where there is no
// such node. After 2147483647 comes -2147483648, as ZooKeeper documents and as
// its servers did before 3.5; EndSequence is for what they do since.
func (s *Server) JumpSequence(path string, next int32) { s.setSequence(path, next, true) }

// EndSequence makes 2147483647 the number of the next sequential child of path,
// and of every later one: real servers since 3.5 do not count on. A create is
// then refused while there is a child of that name.
func (s *Server) EndSequence(path string) { s.setSequence(path, math.MaxInt32, false) }

func (s *Server) setSequence(path string, next int32, wraps bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.tree.nodes[path]; n != nil {
		n.creates, n.wraps = next, wraps
	}
}
