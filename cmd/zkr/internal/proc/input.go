package proc

import (
	"os"
	"sync"
)

// inputPipe writes data to the stdin of a child.
type inputPipe struct {
	w       *os.File
	writing sync.WaitGroup
}

// StartWithInput is Start for a command that gets data on its stdin. Call
// CloseInput when the child has ended.
func (s *Signals) StartWithInput(c *Command, spec Spec, data []byte) (*Child, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, &ExecError{err}
	}
	defer r.Close()
	spec.Stdin = r
	p, err := s.Start(c, spec)
	if err != nil {
		w.Close()
		return nil, err
	}
	p.input = &inputPipe{w: w}
	p.input.writing.Go(func() {
		w.Write(data) // a command need not read its input, so an error is ignored
		w.Close()
	})
	return p, nil
}

// CloseInput closes the pipe to the child's stdin, so that a process that the
// child has left behind does not block it.
func (p *Child) CloseInput() {
	p.input.w.Close()
	p.input.writing.Wait()
}
