package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
)

func newLockLs(a *app) *cobra.Command {
	var target pathCheck
	cmd := &cobra.Command{
		Use:   "ls PATH",
		Short: "Print the holders of a lock and the waiters",
		Long: `Print a line for each holder of the lock at PATH and for each waiter, in order:
its position, its state (holder or waiting), its id, the age of its node, for a
holder how long it has held, its token and its session. Further words are
"shared", "wants N permits" and "asked to release". PATH may be the path of a
lock, of a lock with shared holders or of a semaphore.

A holder may have waited since its node was created. How long it has held is
known if no other node was created or deleted at PATH after that, and for the
permits of a semaphore; otherwise it is "unknown". Ages depend on the clocks of
the servers and of this host.

With --json, each line is an object with position, state, id, host and pid (if
the id is HOST:PID), since and heldSince (RFC 3339), token, session, revoked,
shared, wants and node. A contender that was asked to release has no id any
more. Without session, no session owns the node; see zkr lock break.
` + readingCodes,
		Example: `  zkr lock ls /locks/backup`,
		Args:    onePath,
	}
	target.register(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		list := func(ctx context.Context, c *client) error {
			l, err := c.contendersOfLock(ctx, args[0])
			if err != nil {
				return err
			}
			return a.printContenders(l.contenders, lockWords)
		}
		return a.withSyncedSession(target.then(list, args[0], recipeLock, recipeSemaphore))
	}
	return cmd
}

// lockListing is what lock ls prints and lock revoke chooses from.
type lockListing struct {
	semaphore  bool
	contenders []contender
}

// contendersOfLock lists the lock or the semaphore at path.
func (c *client) contendersOfLock(ctx context.Context, path string) (l lockListing, err error) {
	children, _, err := c.Children(ctx, path)
	if err != nil && !errors.Is(err, session.ErrNoNode) {
		return l, err
	}
	if l.semaphore = slices.Contains(recognize(nil, children), recipeSemaphore); l.semaphore {
		l.contenders, err = c.contendersOfSemaphore(ctx, path)
		return l, err
	}
	found, err := lock.NewRW(c.Session, path).Contenders(ctx)
	if err != nil {
		return l, err
	}
	shared := true // all before and including this one are shared
	for i, f := range found {
		shared = shared && f.Reader
		l.contenders = append(l.contenders, newLockContender(f, i == 0 || shared))
	}
	return l, c.setHeldSince(ctx, path, l.contenders)
}

func (c *client) contendersOfSemaphore(ctx context.Context, path string) ([]contender, error) {
	holders, err := lock.NewSemaphore(c.Session, path, 1).Holders(ctx) // the limit does not matter
	if err != nil {
		return nil, err
	}
	waiters, err := lock.New(c.Session, session.Join(path, "locks")).Contenders(ctx)
	if err != nil {
		return nil, err
	}
	var cs []contender
	for _, h := range holders {
		holder := newLockContender(h, true)
		holder.heldSince = holder.since
		cs = append(cs, holder)
	}
	for _, w := range waiters {
		waiter := newLockContender(w, false)
		waiter.wants = 1
		// The data of other libraries' nodes is not a number and an id.
		number, id, ok := strings.Cut(waiter.id, " ")
		if k, err := strconv.Atoi(number); ok && err == nil && k > 0 {
			waiter.id, waiter.wants = id, k
		}
		cs = append(cs, waiter)
	}
	return cs, nil
}

func newLockContender(l lock.Contender, holds bool) contender {
	return contender{id: l.ID, token: l.Token, path: l.Path, session: l.Session, since: l.Since, holds: holds, shared: l.Reader, revoked: l.Revoked}
}
