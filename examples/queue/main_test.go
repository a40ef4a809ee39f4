package main

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	var rooms []string
	for _, m := range regexp.MustCompile(`(?m)^(?:ann|bob) has cleaned the (\w+)$`).FindAllStringSubmatch(out.String(), -1) {
		rooms = append(rooms, m[1])
	}
	slices.Sort(rooms)
	if !slices.Equal(rooms, []string{"attic", "cellar", "hall", "kitchen", "library"}) {
		t.Errorf("cleaned %q", rooms)
	}
	if n := strings.Count(out.String(), `nobody wants {"room":"haunted room"} after 3 attempts: `); n != 1 || !strings.HasSuffix(out.String(), "has seen a ghost\n") {
		t.Errorf("the haunted room is missing:\n%s", &out)
	}
}
