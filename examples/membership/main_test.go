package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	last := map[string]string{}
	for line := range strings.Lines(out.String()) {
		name, share, _ := strings.Cut(strings.TrimSpace(line), ",")
		last[name] = share
	}
	for name, want := range map[string]string{
		"ann":  " one of 3, works on [0 3]",
		"bob":  " one of 2, works on [0 2 4]",
		"cleo": " one of 2, works on [1 3 5]",
	} {
		if last[name] != want {
			t.Errorf("%s is last%s, not%s:\n%s", name, last[name], want, &out)
		}
	}
}
