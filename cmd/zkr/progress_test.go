package main

import (
	"bytes"
	"io"
	"testing"
	"time"
	"unicode/utf8"
)

func TestProgressLine(t *testing.T) {
	for _, c := range []struct {
		name    string
		total   int64
		limit   time.Duration
		done    int64
		elapsed time.Duration
		width   int
		want    string
	}{
		{"items", 1000, 0, 250, 5 * time.Second, 79, "copying  [#######-----------------------]   25%  250/1,000  15s left  50/s"},
		{"time", 0, 10 * time.Second, 1234567, 5 * time.Second, 79, "copying  [###############---------------]   50%  1,234,567  5s left  246,913/s"},
		{"what is over first", 1000, 10 * time.Second, 100, 9 * time.Second, 79, "copying  [###########################---]   90%  100/1,000  1s left  11/s"},
		{"unknown", 0, 0, 1234, 2 * time.Second, 79, "copying  1,234  617/s"},
		{"nothing done", 1000, 0, 0, 2 * time.Second, 79, "copying  [------------------------------]    0%  0/1,000  0/s"},
		{"all done", 10, 0, 10, 2 * time.Second, 79, "copying  [##############################]  100%  10/10  0s left  5/s"},
		{"more than all", 10, 0, 12, 2 * time.Second, 79, "copying  [##############################]  100%  12/10  0s left  6/s"},
		{"narrow", 1000, 0, 250, 5 * time.Second, 50, "copying   25%  250/1,000  15s left  50/s"},
		{"narrower", 1000, 0, 250, 5 * time.Second, 30, "copying   25%  250/1,000  50/s"},
		{"very narrow", 1000, 0, 250, 5 * time.Second, 4, "copy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &progress{label: "copying", total: c.total, limit: c.limit}
			p.Add(c.done)
			got := p.render(c.elapsed, c.width)
			if got != c.want || utf8.RuneCountInString(got) > c.width {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -123: "-123", -1234: "-1,234"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

// Other output replaces the line, and clearing it leaves nothing of it.
func TestStatusLine(t *testing.T) {
	var out bytes.Buffer
	s := &statusLine{w: &out}
	s.show("half done")
	s.show("done")
	io.WriteString(s, "notice\n")
	io.WriteString(s, "another\n")
	s.show("x")
	s.show("")
	s.show("")
	blank9, blank4 := "\r         \r", "\r    \r"
	if got, want := out.String(), "half done"+blank9+"done"+blank4+"notice\nanother\nx\r \r"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Nothing is shown where stderr is no terminal.
func TestNoProgressWithoutTerminal(t *testing.T) {
	var out bytes.Buffer
	a := &app{stderr: newStatusLine(&out)}
	p := a.newProgress("copying", 10, 0)
	p.Add(3)
	p.Close()
	p.Close()
	if out.Len() > 0 || p.done.Load() != 3 {
		t.Errorf("%q was written, %d are done", &out, p.done.Load())
	}
}
