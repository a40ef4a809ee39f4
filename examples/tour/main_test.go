package main

import (
	"bytes"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// events are regular expressions for the lines of each section below its heading.
var events = map[string]string{
	"lock":       `^(.*holds the lock.*){6}$`,
	"election":   `leads, .* is killed; .* leads, `,
	"loss":       `^ .*ann +holds .*ann +is cut .*ann +knows .* wraps lock.ErrLost.*bob +holds .*ann +is connected again`,
	"barrier":    `^(.*arrives){3}(.*begins){3}(.*leaves, after){3}`,
	"queue":      `bob +claims wash, attempt 1.*bob +is killed(.*cleo +consumes){3}`,
	"config":     `ann +uses a limit of 20.*bob .*writes "many".*ann +still uses a limit of 20; .*bob`,
	"naming":     `^(.*assigned the number [123]\n){3}.*ann +holds slot 0.*bob +holds slot 1.*ann +is killed.*cleo +holds slot 0`,
	"membership": `cleo +sees .*ann is the first of 2.*ann +is killed.*cleo +sees 0 joined and 1 left; bob is the first of 1$`,
	"tasks":      `cleo +begins plant, attempt 1.*ann +is killed.*cleo +is killed.*dora +finishes plant, attempt 2.*bob +gets the result of task-0000000002: done by dora$`,
	"registry":   `cleo +is answered by .*ann +is cut off.*cleo +gets no answer from ann.*cleo +is answered by bob.*ann +knows .*ann +is registered again.*cleo +is answered by ann$`,
}

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out, sections); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	parts := strings.Split(strings.TrimSpace(out.String()), "\n\n")
	if len(parts) < len(sections) {
		t.Fatalf("not %d sections:\n%s", len(sections), &out)
	}
	parts = parts[len(parts)-len(sections):] // the first line names the servers
	for i, s := range sections {
		lines := strings.Split(parts[i], "\n")
		if lines[0] != s.name+": "+s.title || !strings.HasPrefix(lines[1], s.calls) {
			t.Errorf("the heading of %s is %q", s.name, lines[:2])
		}
		if !regexp.MustCompile(`(?s)` + events[s.name]).MatchString(strings.Join(lines[2:], "\n")) {
			t.Errorf("no %s in:\n%s", events[s.name], parts[i])
		}
		checkSize(t, s, lines)
		last := 0
		for _, m := range regexp.MustCompile(`token (\d+)`).FindAllStringSubmatch(parts[i], -1) {
			token, err := strconv.Atoi(m[1])
			if err != nil || token <= last {
				t.Errorf("token %d after %d in:\n%s", token, last, parts[i])
			}
			last = token
		}
	}
}

// checkSize checks that a section can be read at a glance, on a narrow terminal too.
func checkSize(t *testing.T, s section, lines []string) {
	t.Helper()
	if len(lines) >= 12 {
		t.Errorf("%s has %d lines", s.name, len(lines))
	}
	for _, l := range lines {
		if utf8.RuneCountInString(l) >= 100 {
			t.Errorf("%s has a line of %d columns: %s", s.name, utf8.RuneCountInString(l), l)
		}
	}
}

// Each section names an example program that exists.
func TestExamples(t *testing.T) {
	for _, s := range sections {
		i := strings.LastIndex(s.calls, ", examples/")
		dir := s.calls[max(i, 0)+len(", examples/"):]
		if _, err := os.Stat(filepath.Join("..", dir, "main.go")); i < 0 || err != nil {
			t.Errorf("%s: %q names no example (%v)", s.name, s.calls, err)
		}
	}
}

// The recording in the README shows sections as they are today; .ci/demo makes it.
func TestRecording(t *testing.T) {
	svg, err := os.ReadFile("../../docs/demo.svg")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(string(svg), " "))
	text := html.UnescapeString(strings.Join(words, " "))
	found := regexp.MustCompile(`\$ go run ./examples/tour ([a-z ]+) The server`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no command in %.2000s", text)
	}
	selected, err := find(strings.Fields(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range selected {
		if !strings.Contains(text, s.name+": "+s.title) || !strings.Contains(text, s.calls) {
			t.Errorf("the recording does not have the heading of %s", s.name)
		}
	}
}

func TestFind(t *testing.T) {
	all, err := find(nil)
	if err != nil || len(all) != len(sections) {
		t.Errorf("%d sections, %v", len(all), err)
	}
	some, err := find([]string{"queue", "lock"})
	if err != nil || len(some) != 2 || some[0].name != "queue" || some[1].name != "lock" {
		t.Errorf("%v, %v", some, err)
	}
	if _, err := find([]string{"lock", "lok"}); err == nil || !strings.Contains(err.Error(), `"lok"`) || !strings.Contains(err.Error(), "election") {
		t.Errorf("an unknown section: %v", err)
	}
}
