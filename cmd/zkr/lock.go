package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
)

// lockFlags are the flags of zkr lock.
type lockFlags struct {
	acquireFlags
	shared  bool
	permits int // 0 for a lock
	grace   graceFlag
	layout  string
}

func newLock(a *app) *cobra.Command {
	var f lockFlags
	cmd := &cobra.Command{
		Use:   "lock [flags] PATH [-- CMD ARG...]",
		Short: "Run a command while holding a lock",
		Long: `Run CMD while holding the lock at PATH, and exit with the code of CMD.

CMD is executed directly, without a shell, in its own process group. Its
environment has ZKR_PATH, ZKR_TOKEN (a number that grows with each acquisition:
store it with what CMD writes, and refuse smaller ones), ZKR_SESSION and
ZKR_STOP_TIME (the time that CMD has to stop). Signals to zkr are relayed to
that group. If the lock is lost, the group gets TERM and, after --grace, KILL.
KILL comes before another process can own the lock, so the session timeout
limits --grace. A watchdog process kills the group in time even if zkr is
stopped or killed; on Linux it kills all descendants of CMD. The lock is
released when CMD has ended, even if CMD has left processes behind. CMD can
read from the terminal. Ctrl-Z does not suspend it.

If zkr is asked to release the lock (zkr lock revoke), the group gets TERM and,
after --grace, KILL, as when the lock is lost. The lock is released when CMD has
ended. If zkr was asked while it waited, CMD is not started, and the exit code
is that of a CMD that TERM ended.

Without CMD, print the token and hold the lock until a signal or until zkr is
asked to release it.

With -s, share the lock with other holders that use -s. A shared holder waits
only for the exclusive ones before it in the line, and an exclusive holder for
all.

With -k N, wait for one of N permits: there can be N holders at a time. All
processes that use PATH must give the same N.

The first INT or TERM ends a wait. A second one ends zkr immediately: the lock
is then free when the session has expired.

Exit codes: that of CMD, 128+N if signal N ended CMD or the wait for the lock,
5 if the token cannot be written, 123 if the lock was lost, 124 if a server has
answered and another client holds the lock (-n, -w; see -E), 125 if zkr failed
(no session, missing rights, bad usage, a --grace that cannot be granted), 126
if CMD cannot be executed, 127 if it is not found.`,
		Example: `  zkr lock /locks/backup -- backup --all     wait for the lock, then run
  zkr lock -n /locks/cron -- cleanup         run it unless the lock is held
  zkr lock -s /locks/db -- dump              share it with other readers
  zkr lock -k 4 /locks/gpu -- train          four at a time
  zkr lock -w 30s -E 0 /locks/x -- job       wait for 30s; 0 if it is held`,
		Annotations: map[string]string{wrapsAnnotation: ""},
	}
	fs := cmd.Flags()
	f.acquireFlags.register(cmd)
	fs.BoolVarP(&f.shared, "shared", "s", false, "share the lock with other holders that use -s")
	fs.IntVarP(&f.permits, "permits", "k", 0, "wait for one of `N` permits")
	fs.IntVarP(&f.conflictCode, "conflict-exit-code", "E", exitNotAcquired, "exit `code` if the lock is not acquired")
	f.grace.register(cmd, " if the lock is lost")
	fs.StringVar(&f.layout, "layout", lock.Curator.String(), "the node names to use: `curator` or kazoo; go-zookeeper is compatible with both")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if fs.Changed("permits") && f.permits <= 0 {
			return usage("-k %d is not positive", f.permits)
		}
		path, command, err := pathAndCommand(cmd, args)
		if err != nil {
			return err
		}
		layout, err := f.check(cmd)
		if err != nil {
			return err
		}
		r := &holdRunner{app: a, path: path, command: command, grace: f.grace.duration, asked: lockWords.asked}
		f.startWait(a)
		return r.run(func(ctx context.Context, s *session.Session) (ownership, error) {
			w, blocking, try := f.acquireFuncs(s, path, layout, r.grace)
			return f.acquire(ctx, r, s, w, blocking, try)
		})
	}
	cmd.AddCommand(newLockLs(a), newLockRevoke(a), newLockBreak(a))
	return cmd
}

// check validates the flags and returns the layout.
func (f *lockFlags) check(cmd *cobra.Command) (lock.Layout, error) {
	if err := f.acquireFlags.check(cmd); err != nil {
		return 0, err
	}
	switch {
	case f.shared && f.permits > 0:
		return 0, usage("-s and -k exclude each other")
	case f.conflictCode < 0 || f.conflictCode > 255:
		return 0, usage("-E %d is no exit code", f.conflictCode)
	}
	if err := f.grace.check(); err != nil {
		return 0, err
	}
	l, err := lock.ParseLayout(f.layout)
	if err != nil {
		return 0, usage("--layout %s is neither curator nor kazoo", f.layout)
	}
	return l, nil
}

// acquireFuncs returns the functions that acquire with and without waiting, and the
// explanation of the wait.
func (f *lockFlags) acquireFuncs(s *session.Session, path string, layout lock.Layout, stop time.Duration) (w waitExplanation, blocking, try func(context.Context) (ownership, error)) {
	contenders := func(list func(context.Context) ([]lock.Contender, error)) waitExplanation {
		return waitExplanation{what: path, read: func(ctx context.Context) (waitReason, error) {
			cs, err := list(ctx)
			if err != nil {
				return waitReason{}, err
			}
			return lockHolders(s, cs), nil
		}}
	}
	opts := []lock.Option{lock.WithLayout(layout), lock.WithStopTime(stop)}
	if f.shared {
		m := lock.NewRW(s, path, opts...)
		return contenders(m.Contenders), owning(m.RLock), owning(m.TryRLock)
	}
	if f.permits > 0 {
		m := lock.NewSemaphore(s, path, f.permits, opts...)
		return waitExplanation{what: "a permit of " + path, read: func(ctx context.Context) (waitReason, error) { return permitHolders(ctx, m) }, anonymous: true}, owning(m.Acquire), owning(m.TryAcquire)
	}
	m := lock.New(s, path, opts...)
	return contenders(m.Contenders), owning(m.Lock), owning(m.TryLock)
}
