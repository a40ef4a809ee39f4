package foreign

import (
	"bufio"
	"context"
	"io"
	"iter"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Program is a running program.
type Program struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
	killed bool
}

// limit bounds how long a program runs.
const limit = 5 * time.Minute

// Start starts a program. When the test ends, the program's input is closed, and the
// program must exit without an error, unless it was killed.
func Start(t testing.TB, name string, args ...string) *Program {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	cmd := exec.CommandContext(ctx, name, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Program{t: t, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(func() {
		defer cancel()
		p.CloseInput()
		err := cmd.Wait()
		if err != nil && !p.killed {
			t.Errorf("%s: %v", name, err)
		}
		if t.Failed() {
			t.Logf("%s wrote to its standard error:\n%s", name, errs.String())
		}
	})
	return p
}

// Ask sends a line and returns the answer.
func (p *Program) Ask(line string) string {
	p.t.Helper()
	if err := p.Send(line); err != nil {
		p.t.Fatal(err)
	}
	if !p.out.Scan() {
		p.t.Fatalf("no answer to %q (%v)", line, p.out.Err())
	}
	return p.out.Text()
}

// Wants sends a line and checks the answer.
func (p *Program) Wants(line, want string) {
	p.t.Helper()
	if got := p.Ask(line); got != want {
		p.t.Errorf("%s: got\n%s, want\n%s", line, got, want)
	}
}

// Send sends a line. With Lines it serves programs that do not answer each line with one.
func (p *Program) Send(line string) error {
	_, err := io.WriteString(p.in, line+"\n")
	return err
}

// Lines returns the lines of the program's output until that ends. They must have been
// read when the test ends.
func (p *Program) Lines() iter.Seq[string] {
	return func(yield func(string) bool) {
		for p.out.Scan() {
			if !yield(p.out.Text()) {
				return
			}
		}
	}
}

// CloseInput closes the program's input, at which it ends.
func (p *Program) CloseInput() { p.in.Close() }

// Kill kills the program, so that it does not close its session.
func (p *Program) Kill() {
	p.killed = true
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Error(err)
	}
}
