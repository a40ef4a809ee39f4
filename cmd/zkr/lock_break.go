package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/session"
)

func newLockBreak(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "break PATH NODE",
		Short: "Remove a contender that no session owns",
		Long: `Remove NODE, a child of PATH, if no session owns it. Such a node was created by
hand, by another tool or by a restore, and all contenders behind it wait until
it is removed. PATH is the path of a lock or an election, "PATH/locks" or
"PATH/leases" for a semaphore, and the parent of the fixed node for elect
--fixed and for the master of a task pool.

zkr does not remove a node that a session owns. It asks before it removes the
node. If stdin is not a terminal, --yes is required.

Exit codes: 0, 1 if there is no such node, a session owns it, it has children,
or the answer is no, 2 for bad usage, 3 if no server can be reached or the
session is lost, 4 if not authorized.`,
		Example: `  zkr lock break /locks/backup lock-0000000007`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch err := arguments("PATH", "NODE")(cmd, args); {
			case err != nil:
				return err
			case args[1] == "" || strings.Contains(args[1], "/"):
				return usage("%q is not the name of a child of %s", args[1], args[0])
			case !yes && !canAsk():
				return usage("stdin is not a terminal; --yes removes the node without a question")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.withSyncedSession(func(ctx context.Context, c *client) error {
			return c.breakNode(ctx, session.Join(args[0], args[1]), yes)
		})
	}
	return cmd
}

func (c *client) breakNode(ctx context.Context, path string, yes bool) error {
	data, st, err := c.Get(ctx, path)
	if err != nil {
		return err
	}
	if !yes && !st.Ephemeral() {
		fmt.Fprintf(c.stderr, "%s, of %s, with %q: no session owns it. Remove it? [y/N] ", path, st.Ctime.Format(time.RFC3339), data)
		if err := confirmed(ctx); err != nil {
			return err
		}
	}
	if err := c.Break(ctx, path, st.Czxid); err != nil {
		return err
	}
	c.notice("%s: removed", path)
	return nil
}

// confirmed returns nil if the answer on stdin is yes.
func confirmed(ctx context.Context) error {
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case a := <-answer:
		if a == "y" || a == "yes" {
			return nil
		}
		return exit(exitNo, errors.New("nothing was removed"))
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// canAsk reports whether stdin is a terminal.
func canAsk() bool {
	in, err := os.Stdin.Stat()
	if err != nil || in.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(in, null)
}
