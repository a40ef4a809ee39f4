package proc

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// CapturedChild is a child whose stdout is kept in memory. Its stderr is passed
// on, and the last line of it is kept.
type CapturedChild struct {
	*Child
	pipes    []*os.File // the ends that zkr reads
	stdout   prefixBuffer
	lastLine lastLine
	drained  chan struct{} // closed when no process can write to the pipes any more
}

// StartCaptured is StartWithInput for a command whose output is wanted. It keeps
// the first limit bytes of stdout, and writes stderr to the given writer. Call
// Finish, and not CloseInput, when the child has ended.
func (s *Signals) StartCaptured(c *Command, spec Spec, data []byte, limit int, stderr io.Writer) (*CapturedChild, error) {
	p := &CapturedChild{stdout: prefixBuffer{limit: limit}, drained: make(chan struct{})}
	for _, end := range []**os.File{&spec.Stdout, &spec.Stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			p.closePipes()
			return nil, &ExecError{err}
		}
		defer w.Close()
		p.pipes, *end = append(p.pipes, r), w
	}
	var err error
	if p.Child, err = s.StartWithInput(c, spec, data); err != nil {
		p.closePipes()
		return nil, err
	}
	var both sync.WaitGroup
	both.Go(func() { io.Copy(&p.stdout, p.pipes[0]) })
	p.lastLine.out = stderr
	both.Go(func() { io.Copy(&p.lastLine, p.pipes[1]) })
	go func() {
		both.Wait()
		close(p.drained)
	}()
	return p, nil
}

func (p *CapturedChild) closePipes() {
	for _, r := range p.pipes {
		r.Close()
	}
}

// Finish closes all pipes, after it has read the rest of the output. It waits no
// longer than grace, and reports whether that was enough: processes that the child
// has left behind can keep the pipes open.
func (p *CapturedChild) Finish(grace time.Duration) (complete bool) {
	p.CloseInput()
	select {
	case <-p.drained:
		complete = true
	case <-time.After(grace):
	}
	p.closePipes()
	<-p.drained
	return complete
}

// Stdout returns the first bytes of the child's stdout, and whether there were
// more than the limit. Call it after Finish.
func (p *CapturedChild) Stdout() (data []byte, truncated bool) {
	return p.stdout.data, p.stdout.truncated
}

// LastLine returns the beginning of the last line on stderr that is not blank.
// Call it after Finish.
func (p *CapturedChild) LastLine() string { return p.lastLine.String() }

// prefixBuffer keeps the first limit bytes that are written to it.
type prefixBuffer struct {
	limit     int
	data      []byte
	truncated bool // more was written
}

func (b *prefixBuffer) Write(p []byte) (int, error) {
	n := min(len(p), b.limit-len(b.data))
	b.data = append(b.data, p[:n]...)
	b.truncated = b.truncated || n < len(p)
	return len(p), nil
}

// lastLine writes to out all that is written to it, and keeps the beginning of the
// last line that is not blank.
type lastLine struct {
	out            io.Writer
	complete, open prefixBuffer // the last line with a newline, and the one without yet
}

// longestLine is how many bytes of a line are kept.
const longestLine = 1 << 10

func (l *lastLine) Write(p []byte) (int, error) {
	l.out.Write(p) // an error must not stop the child, so it is ignored
	n := len(p)
	for {
		line, rest, end := bytes.Cut(p, []byte("\n"))
		l.open.limit = longestLine
		l.open.Write(line)
		if !end {
			return n, nil
		}
		if len(bytes.TrimSpace(l.open.data)) > 0 {
			l.complete = l.open
		}
		l.open, p = prefixBuffer{}, rest
	}
}

func (l *lastLine) String() string {
	line := l.open.data
	if len(bytes.TrimSpace(line)) == 0 {
		line = l.complete.data
	}
	return strings.ToValidUTF8(string(bytes.TrimSpace(line)), "\uFFFD")
}
