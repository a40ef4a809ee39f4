package ztree

import (
	"maps"
	"slices"
)

// A hashSet is a set of strings in the order of Java's HashSet. Clients can see that
// order in the children of a node and in the deletions at the end of a session. It is
// not sorted: a client that relies on a sorted list must fail here as it fails on a real
// server.
type hashSet struct {
	items   map[string]position
	next    uint64
	buckets uint32
	listing []string // cache of list; nil after a change
}

type position struct {
	hash uint32
	seq  uint64 // order of insertion: the entries of one bucket are chained in it
}

// The initial capacities of the server's sets.
const (
	childBuckets     = 8
	ephemeralBuckets = 16
)

func newHashSet(buckets uint32) *hashSet {
	return &hashSet{items: make(map[string]position), buckets: buckets}
}

func (s *hashSet) len() int {
	if s == nil {
		return 0
	}
	return len(s.items)
}

func (s *hashSet) add(v string) {
	if _, ok := s.items[v]; ok {
		return
	}
	s.items[v] = position{javaHash(v), s.next}
	s.next++
	if uint32(len(s.items)) > s.buckets/4*3 {
		s.buckets *= 2
	}
	s.listing = nil
}

func (s *hashSet) remove(v string) {
	delete(s.items, v)
	s.listing = nil
}

// A checkpoint is the state that restore needs to undo an insertion or a removal without
// a trace in the order.
type checkpoint struct {
	name     string
	position position
	buckets  uint32
	present  bool
}

// checkpoint returns the state of v in the set.
func (s *hashSet) checkpoint(v string) checkpoint {
	if s == nil {
		return checkpoint{name: v}
	}
	was, ok := s.items[v]
	return checkpoint{v, was, s.buckets, ok}
}

// restore returns the set to a checkpoint. Only the checkpoint's string may have been
// added or removed since.
func (s *hashSet) restore(cp checkpoint) {
	if delete(s.items, cp.name); cp.present {
		s.items[cp.name] = cp.position
	}
	if cp.buckets != 0 {
		s.buckets = cp.buckets
	}
	s.listing = nil
}

// list returns the strings in order. Callers must not change the slice.
func (s *hashSet) list() []string {
	if s == nil {
		return nil
	}
	if s.listing == nil {
		s.listing = make([]string, 0, len(s.items))
		for v := range s.items {
			s.listing = append(s.listing, v)
		}
		s.order(s.listing, s.buckets)
	}
	return s.listing
}

// cloneList returns the strings in the order of a clone of the set: the capacity of a
// clone depends on its size only.
func (s *hashSet) cloneList() []string {
	list := slices.Clone(s.list())
	buckets, want := uint32(1), uint32(float32(len(list))/0.75+1)
	for buckets < want {
		buckets *= 2
	}
	slices.SortStableFunc(list, func(a, b string) int {
		return int(s.items[a].hash&(buckets-1)) - int(s.items[b].hash&(buckets-1))
	})
	return list
}

func (s *hashSet) order(list []string, buckets uint32) {
	slices.SortFunc(list, func(a, b string) int {
		x, y := s.items[a], s.items[b]
		if d := int(x.hash&(buckets-1)) - int(y.hash&(buckets-1)); d != 0 {
			return d
		}
		return int(int64(x.seq) - int64(y.seq))
	})
}

// javaHash returns String.hashCode, mixed as HashMap mixes it.
func javaHash(v string) uint32 { return spread(stringHash(v)) }

// spread mixes the upper half of a hash code into the lower half.
func spread(h uint32) uint32 { return h ^ h>>16 }

// stringHash returns String.hashCode, which is computed from UTF-16 units.
func stringHash(v string) (h uint32) {
	for _, r := range v {
		if r > 0xffff {
			r -= 0x10000
			h = h*31 + uint32(0xd800+r>>10)
			r = 0xdc00 + r&0x3ff
		}
		h = h*31 + uint32(r)
	}
	return h
}

func (s *hashSet) clone() *hashSet {
	if s == nil {
		return nil
	}
	c := *s
	c.items, c.listing = maps.Clone(s.items), slices.Clone(s.listing)
	return &c
}
