//go:build ensemble

package zktest_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// The error for a port that is free when it is checked, and taken when the server starts,
// names the port in one line.
func TestPortTakenBetweenCheckAndStart(t *testing.T) {
	for name, offset := range map[string]int{"client": 0, "election": 1707} {
		t.Run(name, func(t *testing.T) {
			first := 20000 + os.Getpid()%5000
			addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+offset))
			dir := t.TempDir()
			taken := make(chan net.Listener, 1)
			go func() { // the folder of the first server is created after the check
				for {
					if _, err := os.Stat(filepath.Join(dir, "1", "zoo.cfg")); err == nil {
						ln, _ := net.Listen("tcp", addr)
						taken <- ln
						return
					}
					time.Sleep(time.Millisecond)
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c, err := zktest.StartEnsemble(ctx, 3, zktest.WithPorts(first, first+707, first+1707), zktest.WithDir(dir))
			if ln := <-taken; ln != nil {
				defer ln.Close()
			} else {
				t.Fatal("the port was taken already")
			}
			if err == nil {
				c.Close()
				t.Fatal("started")
			}
			if text := err.Error(); !strings.Contains(text, "server 1 cannot listen on "+addr+": ") || strings.Contains(text, "\n") {
				t.Errorf("%s", text)
			}
		})
	}
}
