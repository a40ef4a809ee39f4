package main

import (
	"bytes"
	"regexp"
	"testing"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	want := `^(ann|bob) says: 3, remainder 2
(ann|bob) says: 3, remainder 0
no answer: 1 cannot be divided by zero
(ann|bob) says: 14, remainder 2
$`
	if !regexp.MustCompile(want).Match(out.Bytes()) {
		t.Errorf("it has printed\n%s", &out)
	}
}
