package main

import (
	"bytes"
	"regexp"
	"slices"
	"testing"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	told := regexp.MustCompile(`(?m)^(\w+) leads, token \d+$`).FindAllString(out.String(), -1)
	if len(told) != 3 {
		t.Errorf("not three terms:\n%s", &out)
	}
	// An observer may skip leaders, but two hundred milliseconds are long.
	seen := regexp.MustCompile(`(?m)^observer: (\w+ leads, token \d+)$`).FindAllStringSubmatch(out.String(), -1)
	for _, m := range seen {
		if !slices.Contains(told, m[1]) {
			t.Errorf("the observer has made up %q:\n%s", m[1], &out)
		}
	}
	if len(seen) == 0 {
		t.Errorf("the observer has seen nobody:\n%s", &out)
	}
}
