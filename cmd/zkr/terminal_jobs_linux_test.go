package main

import (
	"fmt"
	"os/exec"
	"testing"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// startShell starts a shell with job control and without echo.
func startShell(t *testing.T, server string) (*console, *exec.Cmd) {
	t.Helper()
	c, cmd := onTerminal(t, server, "bash", "--norc", "--noprofile", "--noediting", "-i")
	fmt.Fprintln(c, `PS1=; PS2=; stty -echo; echo "shell $((1+1))"`)
	c.expect(t, "shell 2")
	return c, cmd
}

// A command under zkr lock can open the terminal while its input or output is
// redirected, as in a plain shell.
func TestCommandsOfTheTerminal(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		ready      string // printed before the command reads
		typed      string
		want       string
	}{
		{"input from elsewhere", `zkr lock /lock -- sh -c 'echo ready >&2; read x </dev/tty; echo "got $x"' </dev/null; echo "code $?"`,
			"^ready", "secret", "^got secret"},
		{"pager at the end of a pipeline", `seq 200 | zkr lock /lock -- sh -c 'tail -n 1; stty -echo </dev/tty; read x </dev/tty; echo "got $x"'; echo "code $?"`,
			"^200", "q", "^got q"},
		{"output to a pipeline", `zkr lock /lock -- sh -c 'echo ready >&2; read x; echo "got $x"' | cat; echo "code $?"`,
			"^ready", "line", "^got line"},
		{"changes the terminal's settings", `zkr lock /lock -- sh -c 'stty tostop; echo ready; read x; stty -tostop; echo "got $x"'; echo "code $?"`,
			"^ready", "line", "^got line"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := zktest.New(t)
			c, cmd := startShell(t, srv.Addr())
			fmt.Fprintln(c, tt.line)
			c.expect(t, tt.ready)
			fmt.Fprintln(c, tt.typed)
			c.expect(t, tt.want)
			c.expect(t, "code 0")
			fmt.Fprintln(c, `echo "alive $((2+2))"; exit 0`)
			c.expect(t, "^alive 4")
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A command in the background that needs the terminal waits for it and gets it with fg.
// Ctrl-C ends a command that waits.
func TestJobControl(t *testing.T) {
	srv := zktest.New(t)
	c, cmd := startShell(t, srv.Addr())
	fmt.Fprintln(c, `zkr lock /lock -- sh -c 'read x; echo "got $x"' &`)
	c.expect(t, "waits for the terminal")
	fmt.Fprintln(c, `fg; echo "code $?"`)
	c.expect(t, "^zkr lock")
	fmt.Fprintln(c, "line")
	c.expect(t, "^got line")
	c.expect(t, "^code 0")

	fmt.Fprintln(c, `zkr lock /lock -- sh -c 'read x; echo "got $x"' &`)
	c.expect(t, "waits for the terminal")
	fmt.Fprintln(c, `kill -INT %%; wait %%; echo "code $?"`)
	c.expect(t, "^code 130")

	fmt.Fprintln(c, `zkr lock /lock -- sh -c 'echo stopping; kill -STOP $$; echo "continues"'; echo "code $?"`)
	c.expect(t, "^stopping")
	c.expect(t, "is stopped")
	fmt.Fprint(c, "\x03")
	c.expect(t, "code 130")
	fmt.Fprintln(c, "exit 0")
	waitClosed(t, cmd, srv)
}
