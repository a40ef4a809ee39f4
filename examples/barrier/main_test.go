package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 13 {
		t.Fatalf("%d lines:\n%s", len(lines), &out)
	}
	for _, part := range [][]string{lines[0:3], lines[3:6], lines[7:10], lines[10:13]} {
		slices.Sort(part) // within a round, in any order
	}
	const want = `ann computes
bob computes
cleo computes
ann goes on
bob goes on
cleo goes on
cleo has given up, and does not count
ann computes
bob computes
dave computes
ann goes on
bob goes on
dave goes on`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("it printed\n%s", got)
	}
}
