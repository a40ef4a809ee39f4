package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/session"
)

// electFlags are the flags of zkr elect.
type electFlags struct {
	acquireFlags
	id      string
	repeat  bool
	fixed   bool
	observe bool
	target  pathCheck
	grace   graceFlag
}

func newElect(a *app) *cobra.Command {
	var f electFlags
	cmd := &cobra.Command{
		Use:   "elect [flags] PATH [-- CMD ARG...]",
		Short: "Run a command while leader",
		Long: `Be a candidate in the election at PATH, run CMD when elected, and exit with the
code of CMD.

CMD is run as by zkr lock, and stopped if zkr is asked to step down (zkr elect
stepdown). Without CMD, print the token of the term and lead until a signal or
until zkr is asked. With --repeat, be a candidate again after CMD has ended or
leadership is lost, until INT or TERM; CMD cannot read from the terminal then.

With --fixed, the leader is the owner of the ephemeral node PATH itself. Many
programs that use ZooKeeper without a library elect their leader in this way.

With --observe, print a line for the leader and for each change: the leader's
id and token, or "vacant".

Exit codes: those of zkr lock, 124 (-n, -w) if there is another leader; with
--observe 0, 1 if PATH has the nodes of another recipe, 2 for bad usage, 3 if
no server can be reached, 4 if not authorized, 5 if the output cannot be
written.`,
		Example: `  zkr elect -n /elections/report -- report     unless there is a leader
  zkr elect --repeat /elections/scheduler -- scheduler
  zkr elect --fixed /ElectMasterDemo/master -- work
  zkr elect --observe /elections/scheduler`,
		Annotations: map[string]string{wrapsAnnotation: ""},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.id, "id", "", "`id` of the candidate (default host:pid)")
	fs.BoolVar(&f.repeat, "repeat", false, "be a candidate again when CMD has ended or leadership is lost")
	f.registerTarget(cmd)
	fs.BoolVar(&f.observe, "observe", false, "print the leader and each change")
	f.target.register(cmd)
	f.acquireFlags.register(cmd)
	f.grace.register(cmd, " if leadership is lost")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, command, err := pathAndCommand(cmd, args)
		if err == nil {
			err = f.check(cmd, path, command)
		}
		if err != nil && f.observe {
			return exit(exitUsage, err)
		}
		if err != nil {
			return err
		}
		if f.observe {
			return a.observe(&f, path)
		}
		r := &holdRunner{app: a, path: path, command: command, grace: f.grace.duration, repeat: f.repeat, asked: electWords.asked}
		f.startWait(a)
		return r.run(func(ctx context.Context, s *session.Session) (ownership, error) {
			e := f.election(s, path, election.WithStopTime(r.grace))
			w := waitExplanation{what: path, read: func(ctx context.Context) (waitReason, error) { return leaderReason(ctx, s, e) }}
			return f.acquire(ctx, r, s, w, owning(e.Campaign), owning(e.TryCampaign))
		})
	}
	cmd.AddCommand(newElectLs(a), newElectStepDown(a))
	return cmd
}

// check validates the arguments.
func (f *electFlags) check(cmd *cobra.Command, path string, c *proc.Command) error {
	if err := f.acquireFlags.check(cmd); err != nil {
		return err
	}
	switch {
	case f.observe && (c != nil || f.repeat || f.id != "" || f.nonblock || f.waitSet):
		return usage("--observe takes no command, and none of --id, --repeat, -n and -w")
	case f.repeat && (f.nonblock || f.waitSet):
		return usage("--repeat excludes -n and -w")
	case f.target.mustExist && !f.observe:
		return usage("--must-exist is for --observe")
	}
	if err := f.checkFixed(path); err != nil {
		return err
	}
	return f.grace.check()
}

// checkFixed checks that with --fixed path can be the path of a node.
func (f *electFlags) checkFixed(path string) error {
	if f.fixed && (!strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/")) {
		return usage("with --fixed, PATH must be the path of a node: %q", path)
	}
	return nil
}

func (f *electFlags) election(s *session.Session, path string, opts ...election.Option) *election.Election {
	if f.id != "" {
		opts = append(opts, election.WithID(f.id))
	}
	if f.fixed {
		var name string
		path, name = session.Split(path)
		opts = append(opts, election.WithFixedNode(name))
	}
	return election.New(s, path, opts...)
}
