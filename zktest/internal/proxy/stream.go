package proxy

import (
	"sync"
	"time"
)

// maxInFlight bounds the bytes that one direction of a link holds. A reader that does
// not read must block its writer in the end, as TCP does.
const maxInFlight = 16 << 20

// A chunk holds the bytes that one read returned, or nil for the end of the connection.
type chunk struct {
	due   time.Time
	bytes []byte
}

// A stream holds the chunks that are in flight in one direction.
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

// push appends a chunk. It blocks while the stream is full.
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

// pop removes the oldest chunk. It blocks while the stream is empty, and returns false
// if the stream is empty and closed.
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

// close ends the stream, at either end: push and pop do not block any more.
func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.change.Broadcast()
}
