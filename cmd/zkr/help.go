package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// useNarrowHelp makes the help fit into 80 columns, and list the global flags only for
// the root.
func useNarrowHelp(root *cobra.Command) {
	const globalFlags = `Global Flags:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}`
	root.SetUsageTemplate(strings.NewReplacer(
		".LocalFlags.FlagUsages", ".LocalFlags.FlagUsagesWrapped 80",
		globalFlags, `Global flags: see "zkr --help".`,
	).Replace(root.UsageTemplate()))
}
