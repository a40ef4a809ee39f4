package main

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	var names []string
	var tokens []int64
	for _, m := range regexp.MustCompile(`(?m)^(\w+) has written, token (\d+)$`).FindAllStringSubmatch(out.String(), -1) {
		names = append(names, m[1])
		n, _ := strconv.ParseInt(m[2], 10, 64)
		tokens = append(tokens, n)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"ann", "bob", "cleo"}) || !slices.IsSorted(tokens) {
		t.Errorf("not three turns with rising tokens:\n%s", &out)
	}
}
