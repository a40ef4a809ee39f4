package zktest

import (
	"os"
	"strings"
	"testing"
)

// The error for a port that is taken has one line, which mentions it if the system also uses
// the port for outgoing connections.
func TestTakenPortIsNamed(t *testing.T) {
	lowest, highest := EphemeralPorts()
	if lowest < 1024 || highest <= lowest {
		t.Fatalf("ephemeral ports %d to %d", lowest, highest)
	}
	taken, err := freeAddrs(1)
	if err != nil {
		t.Fatal(err)
	}
	for addr, hint := range map[string]bool{taken[0]: true, "127.0.0.1:2181": false} {
		text := cannotListen(2, addr, os.ErrPermission).Error()
		if !strings.Contains(text, "server 2 cannot listen on "+addr+": ") || strings.Contains(text, "outgoing") != hint || strings.Contains(text, "\n") {
			t.Error(text)
		}
	}
}
