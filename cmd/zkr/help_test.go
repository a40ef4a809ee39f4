package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// eachCommand calls f with the words of each command.
func eachCommand(f func(words []string)) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		f(strings.Fields(cmd.CommandPath())[1:])
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&app{}))
}

// The help of every command fits into 80 columns and is not empty. Only that of zkr lists
// the global flags.
func TestHelp(t *testing.T) {
	commands := 0
	eachCommand(func(words []string) {
		commands++
		var out, errs bytes.Buffer
		if code := run(append(words, "--help"), &out, &errs); code != 0 || errs.Len() > 0 {
			t.Errorf("%q: %d\n%s", words, code, &errs)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%q has a line of %d columns: %s", words, n, line)
			}
		}
		text := out.String()
		if got := strings.Contains(text, "--connect-timeout duration"); got != (len(words) == 0) {
			t.Errorf("%q: lists global flags: %v", words, got)
		}
		if got := strings.Contains(text, `Global flags: see "zkr --help".`); got != (len(words) > 0) {
			t.Errorf("%q: names the help with the global flags: %v", words, got)
		}
	})
	if commands < 40 {
		t.Errorf("only %d commands were checked", commands)
	}
}
