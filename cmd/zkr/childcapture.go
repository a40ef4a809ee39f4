package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// capturedChild is a fed child whose stdout is kept, and whose stderr is passed on with its
// last line kept.
type capturedChild struct {
	*childWithStdin
	pipes   []*os.File // what is read from
	out     prefixBuffer
	last    lastLine
	drained chan struct{} // closed when nobody is left who could write
}

// startHeard starts c, feeds it and keeps up to limit bytes of what it says, unless a
// signal has come. What it says on stderr goes to others.
func (s *signals) startHeard(c *command, t childSpec, data []byte, limit int, others io.Writer) (*capturedChild, error) {
	h := &capturedChild{out: prefixBuffer{limit: limit}, drained: make(chan struct{})}
	for _, end := range []**os.File{&t.stdout, &t.stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			h.closePipes()
			return nil, err
		}
		defer w.Close()
		h.pipes, *end = append(h.pipes, r), w
	}
	var err error
	if h.childWithStdin, err = s.feed(c, t, data); err != nil {
		h.closePipes()
		return nil, err
	}
	var both sync.WaitGroup
	both.Go(func() { io.Copy(&h.out, h.pipes[0]) })
	h.last.others = others
	both.Go(func() { io.Copy(&h.last, h.pipes[1]) })
	go func() {
		both.Wait()
		close(h.drained)
	}()
	return h, nil
}

func (h *capturedChild) closePipes() {
	for _, p := range h.pipes {
		p.Close()
	}
}

// finish is called when the child has ended. It waits until all that was said has
// been read, and tells whether that was so in time: who was left behind may go on.
func (h *capturedChild) finish(grace time.Duration) (all bool) {
	h.childWithStdin.finish()
	select {
	case <-h.drained:
		all = true
	case <-time.After(grace):
	}
	h.closePipes()
	<-h.drained
	return all
}

// prefixBuffer keeps the beginning of what is written.
type prefixBuffer struct {
	limit int
	kept  []byte
	over  bool // there was more
}

func (h *prefixBuffer) Write(p []byte) (int, error) {
	n := min(len(p), h.limit-len(h.kept))
	h.kept = append(h.kept, p[:n]...)
	h.over = h.over || n < len(p)
	return len(p), nil
}

// lastLine keeps the beginning of the last line that is not blank, and passes all on.
type lastLine struct {
	others     io.Writer
	done, open prefixBuffer
}

// longestLine is how much of a line is kept, in bytes.
const longestLine = 1 << 10

func (l *lastLine) Write(p []byte) (int, error) {
	l.others.Write(p) // if nobody wants it, the child may speak all the same
	n := len(p)
	for {
		line, rest, end := bytes.Cut(p, []byte("\n"))
		l.open.limit = longestLine
		l.open.Write(line)
		if !end {
			return n, nil
		}
		if len(bytes.TrimSpace(l.open.kept)) > 0 {
			l.done = l.open
		}
		l.open, p = prefixBuffer{}, rest
	}
}

func (l *lastLine) String() string {
	line := l.open.kept
	if len(bytes.TrimSpace(line)) == 0 {
		line = l.done.kept
	}
	return strings.ToValidUTF8(string(bytes.TrimSpace(line)), "\uFFFD")
}
