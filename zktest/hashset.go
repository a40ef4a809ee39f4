package zktest

import "slices"

// A hashSet lists its strings in the order in which Java's HashSet would. The
// order of children and of the ephemeral nodes that go with a session is the
// server's, visible to clients, and not sorted: a client that forgets to sort
// has to fail here as it does there.
type hashSet struct {
	items   map[string]slot
	next    uint64
	buckets uint32
	listing []string // the order, until the set changes
}

type slot struct {
	hash uint32
	seq  uint64 // entries of one bucket are chained in order of arrival
}

// The initial capacities that the server gives its sets.
const (
	childBuckets     = 8
	ephemeralBuckets = 16
)

func newHashSet(buckets uint32) *hashSet {
	return &hashSet{items: make(map[string]slot), buckets: buckets}
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
	s.items[v] = slot{javaHash(v), s.next}
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

// mark is what undoing an addition or a removal needs to leave no trace.
type mark struct {
	name    string
	slot    slot
	buckets uint32
	present bool
}

func (s *hashSet) mark(v string) mark {
	if s == nil {
		return mark{name: v}
	}
	was, ok := s.items[v]
	return mark{v, was, s.buckets, ok}
}

// reset takes the set back to a mark, since which nothing but the marked
// string has come or gone.
func (s *hashSet) reset(m mark) {
	if delete(s.items, m.name); m.present {
		s.items[m.name] = m.slot
	}
	if m.buckets != 0 {
		s.buckets = m.buckets
	}
	s.listing = nil
}

// list is shared between callers, who must not change it.
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

// cloned is the order of a clone of the set, whose capacity follows from its
// size alone.
func (s *hashSet) cloned() []string {
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

// javaHash is String.hashCode, mixed as HashMap does.
func javaHash(v string) uint32 { return spread(stringHash(v)) }

// spread mixes the upper half of a hash code into the lower one.
func spread(h uint32) uint32 { return h ^ h>>16 }

// stringHash is String.hashCode, which goes by UTF-16 units.
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
