package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write a manual page for each command",
		Long: `Write a manual page for each command into DIR, which is created if it does not
exist: zkr.1, zkr-lock.1, zkr-queue-push.1 and so on. Packagers use it.

Exit codes: 0, 1 if a page cannot be written, 2 for bad usage.`,
		Args:   arguments("DIR"),
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			const mode = 0o755
			if err := os.MkdirAll(args[0], mode); err != nil {
				return exit(exitNo, err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "zkr " + root.Version, Manual: "zkrecipes"}, args[0])
			if err != nil {
				return exit(exitNo, err)
			}
			return nil
		},
	}
}
