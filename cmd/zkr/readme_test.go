//go:build unix

package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Each command of the README is in the script readme.txtar, which runs it.
func TestCommandsOfReadme(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	script := read("testdata/readme.txtar")
	commands := regexp.MustCompile(`(?m)^zkr [^#\n]*`).FindAllString(read("../../README.md"), -1)
	if len(commands) < 10 {
		t.Fatalf("found %q", commands)
	}
	for _, c := range commands {
		c, _, _ = strings.Cut(c, "<") // the script has another way to give stdin
		if c = strings.TrimSpace(c); !regexp.MustCompile(`(?m)^(exec|spawn \w+|code \d) ` + regexp.QuoteMeta(c) + `$`).MatchString(script) {
			t.Errorf("testdata/readme.txtar does not run %q", c)
		}
	}
}
