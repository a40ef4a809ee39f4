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
	want := `^worker (\d+) of 1024
workers/\d+ is at 127\.0\.0\.1:9\d{3}
order (\d+) by worker \d+
order \d+ by worker \d+
order \d+ by worker \d+
$`
	if !regexp.MustCompile(want).Match(out.Bytes()) {
		t.Errorf("not as expected:\n%s", &out)
	}
}
