package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
)

// lockFlags are those of zkr lock.
type lockFlags struct {
	acquireFlags
	shared  bool
	permits int // 0 for a lock
	grace   time.Duration
	naming  string
}

func newLock(a *app) *cobra.Command {
	var f lockFlags
	cmd := &cobra.Command{
		Use:   "lock [flags] PATH [-- CMD ARG...]",
		Short: "Run a command while holding a lock",
		Long: `Run CMD while holding the lock at PATH, and exit with its code.

CMD is executed directly, not by a shell, in a process group of its own. Its
environment has ZKR_PATH, ZKR_TOKEN (a number that grows with every acquisition:
store it with what CMD writes, and refuse smaller ones) and ZKR_SESSION. Signals
to zkr go to that group. If the lock is lost, the group gets TERM and, after
--grace, KILL. That is before anybody else can own the lock: the session timeout
limits --grace, and ZKR_STOP_TIME tells CMD how long it has. A watchdog process does
that even if zkr is stopped or killed; on Linux it ends all descendants of CMD.
The lock is released when CMD has ended, whatever processes CMD may have left
behind. CMD can read from the terminal; Ctrl-Z does not suspend it.

Without CMD, print the token and hold the lock until a signal.

With -s, share the lock with others who do: they wait only for those who want it
alone, and these for everybody. It is fair, whoever comes first.

With -k N, wait for one of N permits, for that many holders at a time. All who use
PATH must give the same N.

A first INT or TERM ends a wait, a second one ends zkr at once: the lock is then
free when the session has timed out.

Exit codes: CMD's own, 128+N if signal N ended CMD or the wait for the lock, 5 if
the token cannot be written, 123 if the lock was lost, 124 if a server has
answered and somebody else holds the lock (-n, -w; see -E), 125 if zkr failed (no
session, missing rights, bad usage, a --grace that cannot be granted), 126 if CMD
cannot be executed, 127 if it is not found.`,
		Example: `  zkr lock /locks/backup -- backup --all     wait for the lock, then run
  zkr lock -n /locks/cron -- cleanup         run it, unless somebody else does
  zkr lock -s /locks/db -- dump              beside other readers
  zkr lock -k 4 /locks/gpu -- train          four at a time
  zkr lock -w 30s -E 0 /locks/x -- job       wait for 30s; not getting it is fine`,
		Annotations: map[string]string{wrapsAnnotation: ""},
	}
	fs := cmd.Flags()
	f.acquireFlags.register(cmd)
	fs.BoolVarP(&f.shared, "shared", "s", false, "share the lock with others who do")
	fs.IntVarP(&f.permits, "permits", "k", 0, "wait for one of `N` permits")
	fs.IntVarP(&f.conflictCode, "conflict-exit-code", "E", exitNotAcquired, "exit `code` when the lock is not acquired")
	fs.DurationVar(&f.grace, "grace", defaultGrace, "time for CMD between TERM and KILL when the lock is lost")
	fs.StringVar(&f.naming, "naming", "curator", "whose node names to use, `curator` or kazoo; go-zookeeper takes part in both")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if fs.Changed("permits") && f.permits <= 0 {
			return usage("-k %d: there must be a permit", f.permits)
		}
		path, command, err := pathAndCommand(cmd, args)
		if err != nil {
			return err
		}
		naming, err := f.check(cmd)
		if err != nil {
			return err
		}
		o := &holdRunner{app: a, path: path, command: command, grace: f.grace}
		f.startWait(a)
		return o.run(func(ctx context.Context, s *session.Session) (ownership, error) {
			own, try := f.acquireFuncs(s, path, naming, o.grace)
			return f.acquire(ctx, o, s, own, try)
		})
	}
	cmd.AddCommand(newLockBreak(a))
	return cmd
}

// check refuses flags that make no sense, and gives the naming.
func (f *lockFlags) check(cmd *cobra.Command) (lock.Layout, error) {
	if err := f.acquireFlags.check(cmd); err != nil {
		return 0, err
	}
	switch {
	case f.shared && f.permits > 0:
		return 0, usage("-s and -k exclude each other")
	case f.grace < 0:
		return 0, usage("--grace %v is negative", f.grace)
	case f.conflictCode < 0 || f.conflictCode > 255:
		return 0, usage("-E %d is no exit code", f.conflictCode)
	}
	switch f.naming {
	case "curator":
		return lock.Curator, nil
	case "kazoo":
		return lock.Kazoo, nil
	}
	return 0, usage("--naming %s is neither curator nor kazoo", f.naming)
}

// acquireFuncs is how to acquire what is wanted, and how to without waiting.
func (f *lockFlags) acquireFuncs(s *session.Session, path string, naming lock.Layout, stop time.Duration) (own, try func(context.Context) (ownership, error)) {
	opts := []lock.Option{lock.WithLayout(naming), lock.WithStopTime(stop)}
	if f.shared {
		m := lock.NewRW(s, path, opts...)
		return acquireLock(m.RLock), acquireLock(m.TryRLock)
	}
	if f.permits > 0 {
		m := lock.NewSemaphore(s, path, f.permits, opts...)
		return acquireLock(m.Acquire), acquireLock(m.TryAcquire)
	}
	m := lock.New(s, path, opts...)
	return acquireLock(m.Lock), acquireLock(m.TryLock)
}

func acquireLock(acquire func(context.Context) (*lock.Lease, error)) func(context.Context) (ownership, error) {
	return func(ctx context.Context) (ownership, error) {
		l, err := acquire(ctx)
		if err != nil {
			return nil, err
		}
		return lease{l}, nil
	}
}
