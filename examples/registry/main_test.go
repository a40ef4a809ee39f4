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
	if len(lines) == 5 {
		slices.Sort(lines[:2])
	}
	want := []string{"hello from ann", "hello from bob", "ann has ended", "hello from bob", "hello from bob"}
	if !slices.Equal(lines, want) {
		t.Errorf("it says\n%s", &out)
	}
}
