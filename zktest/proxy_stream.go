package zktest

import (
	"sync"
	"time"
)

// maxInFlight bounds the bytes that one direction of a link holds: a reader
// that stands still must in the end stop its writer, as TCP does.
const maxInFlight = 16 << 20

// A chunk is what one read returned; nil bytes stand for the end.
type chunk struct {
	due   time.Time
	bytes []byte
}

// A stream holds the chunks that are under way in one direction.
type stream struct {
	mu     sync.Mutex
	change sync.Cond
	chunks []chunk
	size   int
	closed bool
}

func newStream() *stream {
	s := &stream{}
	s.change.L = &s.mu
	return s
}

// push appends a chunk, once there is room.
func (s *stream) push(k chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.size > maxInFlight && !s.closed {
		s.change.Wait()
	}
	s.chunks = append(s.chunks, k)
	s.size += len(k.bytes)
	s.change.Broadcast()
}

// pop takes the oldest chunk, or returns false when the stream is closed and
// empty.
func (s *stream) pop() (chunk, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.chunks) == 0 {
		if s.closed {
			return chunk{}, false
		}
		s.change.Wait()
	}
	k := s.chunks[0]
	s.chunks = s.chunks[1:]
	s.size -= len(k.bytes)
	s.change.Broadcast()
	return k, true
}

// close says that no chunk will be pushed, or that none is wanted.
func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.change.Broadcast()
}
