package main

import (
	"slices"
	"testing"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/registry"
)

// The values that are offered for --layout are those that it accepts.
func TestLayoutsOfCompletion(t *testing.T) {
	accepts := map[string]func(string) error{
		"lock":    func(v string) error { _, err := lock.ParseLayout(v); return err },
		"queue":   func(v string) error { _, err := (&layoutFlag{v}).parse(); return err },
		"service": func(v string) error { _, err := registry.ParseLayout(v); return err },
	}
	for _, f := range flagValues {
		if f.flag != "layout" {
			continue
		}
		for _, v := range f.values {
			if err := accepts[f.commands](v); err != nil {
				t.Errorf("%s --layout %s: %v", f.commands, v, err)
			}
		}
		delete(accepts, f.commands)
		if f.commands == "queue" {
			var all []string
			for name := range queueLayouts {
				all = append(all, name)
			}
			if len(all) != len(f.values) || queueLayouts[f.values[0]] != queue.Native {
				t.Errorf("queue: %q are offered of %q", f.values, all)
			}
		}
	}
	if len(accepts) > 0 {
		t.Errorf("not offered: %v", accepts)
	}
}

// The arguments of a command are found in its usage line.
func TestArgumentNames(t *testing.T) {
	for use, want := range map[string][]string{
		"lock [flags] PATH [-- CMD ARG...]":       {"PATH"},
		"enter -n N [flags] PATH [-- CMD ARG...]": {"PATH"},
		"slot -n N [flags] PATH -- CMD [ARG...]":  {"PATH"},
		"push [flags] PATH [VALUE...]":            {"PATH", "VALUE"},
		"break PATH NODE":                         {"PATH", "NODE"},
		"ls [flags] [NAME]":                       {"NAME"},
		"queue":                                   nil,
	} {
		if got := argumentNames(&cobra.Command{Use: use}); !slices.Equal(got, want) {
			t.Errorf("%q has %q, want %q", use, got, want)
		}
	}
}
