package main

import (
	"bytes"
	"testing"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	const want = `serving 10 a second, up to 20 at once
serving 20 a second, up to 50 at once
still 20 a second: codec: refused: a rate of 200 and a burst of 50
still 20 a second: deleted
serving 200 a second, up to 500 at once
`
	if got := out.String(); got != want {
		t.Errorf("it printed\n%s, not\n%s", got, want)
	}
}
