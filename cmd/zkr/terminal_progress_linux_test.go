package main

import (
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// On a terminal, a push of many lines shows how many were pushed, and a listing how many
// replies it has read. With -q they do not.
func TestProgressOnTerminal(t *testing.T) {
	t.Parallel()
	srv := zktest.New(t)
	c, cmd := onTerminal(t, srv.Addr(), "sh", "-c", `(seq 2000; sleep 2) | zkr queue push /q >/dev/null; echo "code $?"`)
	c.expect(t, `^pushing  2,000  [\d,]+/s.*\r +\rcode 0`)
	waitClosed(t, cmd, srv)

	remove := srv.Inject(zktest.Rule{Op: "getChildren2", Delay: 1500 * time.Millisecond})
	defer remove()
	c, cmd = onTerminal(t, srv.Addr(), "zkr", "name", "ls", "/")
	c.expect(t, `^reading  \d+  [\d,]+/s.*\r +\r`)
	waitClosed(t, cmd, srv)

	c, cmd = onTerminal(t, srv.Addr(), "sh", "-c", "zkr name ls -q / >/dev/null; echo done")
	if line := <-c.lines; line != "done" {
		t.Errorf("printed %q", line)
	}
	waitClosed(t, cmd, srv)
}
