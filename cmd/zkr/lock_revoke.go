package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/lock"
)

func newLockRevoke(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke PATH [ID]",
		Short: "Ask the holder of a lock to release it",
		Long: `Ask the holder of the lock at PATH to release it: all holders if several share
it, or all holders of permits if PATH is a semaphore. With ID, ask all holders
and waiters with this id instead, and in a semaphore all holders with it.

It is only a request, and zkr does not wait for the release. zkr lock stops its
command and releases the lock. Programs find the request in Lease.Revoked, and
those of Curator if they made their lock revocable. A waiter finds it when it
holds the lock. The request replaces the id in the contender's node.

Exit codes: 0, 1 if there is no holder, no contender with this id, or PATH has
the nodes of another recipe, 2 for bad usage, 3 if no server can be reached or
the session is lost, 4 if not authorized.`,
		Example: `  zkr lock revoke /locks/backup
  zkr lock revoke /locks/backup web-3:4121`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 && args[1] == "" {
				return usage("ID is empty")
			}
			return arguments("PATH", "[ID]")(cmd, args)
		},
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		target := pathCheck{mustExist: true}
		revoke := func(ctx context.Context, c *client) error { return c.revokeLock(ctx, args[0], args[1:]) }
		return a.withSyncedSession(target.then(revoke, args[0], recipeLock, recipeSemaphore))
	}
	return cmd
}

// revokeLock asks the holders, or the contenders with the one id.
func (c *client) revokeLock(ctx context.Context, path string, id []string) error {
	l, err := c.contendersOfLock(ctx, path)
	if err != nil {
		return err
	}
	asked, none := holdersOf(l.contenders), "no holder"
	if len(id) > 0 {
		from := l.contenders
		if l.semaphore {
			from = asked // a request would replace the number of permits that a waiter wants
		}
		asked = slices.DeleteFunc(slices.Clone(from), func(c contender) bool { return c.id != id[0] })
		none = fmt.Sprintf("no contender with the id %s", oneWord(id[0]))
		if l.semaphore {
			none = fmt.Sprintf("no holder with the id %s", oneWord(id[0]))
		}
	}
	if len(asked) == 0 {
		return exit(exitNo, fmt.Errorf("%s: %s", path, none))
	}
	var contenders []lock.Contender
	for _, a := range asked {
		contenders = append(contenders, lock.Contender{Path: a.path})
	}
	if l.semaphore {
		err = lock.NewSemaphore(c.Session, path, 1).Revoke(ctx, contenders...)
	} else {
		err = lock.NewRW(c.Session, path).Revoke(ctx, contenders...)
	}
	if err != nil {
		return err
	}
	for _, a := range asked {
		c.notice("%s: asked %s to release (%s)", path, oneWord(a.id), lockWords.state(a))
	}
	return nil
}
