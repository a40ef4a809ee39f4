package main

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^(\w+) visits, and takes (\d) of 2 visits; (\d+) are taken$`).FindAllStringSubmatch(out.String(), -1) {
		names = append(names, m[1])
		if n, _ := strconv.Atoi(m[3]); n > 2 || m[2] == "2" && n != 2 {
			t.Errorf("%d visitors at a time: %s", n, m[0])
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"ann", "bob", "cleo", "dan", "eve"}) || !strings.HasSuffix(out.String(), "5 pages are in the index\n") {
		t.Errorf("not five visits and five pages:\n%s", &out)
	}
}
