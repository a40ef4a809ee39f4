package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/session"
)

func newConfigWatch(a *app) *cobra.Command {
	var program string
	cmd := &cobra.Command{
		Use:   "watch [flags] PATH",
		Short: "Print a value and each new version",
		Long: `Print the value at PATH and then each new version, until INT or TERM. Versions
that are replaced quickly may be skipped; the latest is always printed. If
there is no value, wait for one.

With --exec, print nothing, and run CMD for each version, with the value on
stdin and with ZKR_PATH, ZKR_VERSION and ZKR_ZXID in its environment. CMD is
split at blanks and executed directly, without a shell. The next version waits
until CMD has ended.

Exit codes: 0, 2 for bad usage, 3 if no server can be reached, 4 if not
authorized, 5 if the output cannot be written; with --exec 126 if CMD cannot be
executed, 127 if it is not found.`,
		Example: `  zkr config watch --json /app/limits
  zkr config watch --exec 'tee /etc/app.conf' /app/conf`,
		Args: onePath,
	}
	cmd.Flags().StringVar(&program, "exec", "", "run `CMD` for each version")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var run *proc.Command
		if cmd.Flags().Changed("exec") {
			var err error
			if run, err = commandOfWords(program); err != nil {
				return err
			}
		}
		return a.untilSignal(func(ctx context.Context, c *client) error {
			return c.watchValue(ctx, args[0], func(v valueVersion) error {
				if run != nil {
					return c.apply(args[0], run, v)
				}
				return a.printData(v.Value, newValueJSON(v))
			})
		})
	}
	return cmd
}

// watchValue calls show for each version.
func (c *client) watchValue(ctx context.Context, path string, show func(valueVersion) error) error {
	v, err := config.OpenOr(ctx, c.Session, path, codec.Bytes(), nil, config.WithHistory(1))
	if err != nil {
		return err
	}
	defer v.Close()
	var shown valueVersion
	gone := false
	stop := c.explain(ctx, waitExplanation{what: path, read: func(ctx context.Context) (waitReason, error) { return c.missing(ctx, path) }})
	defer stop()
	for s, err := range v.Watch(ctx) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, session.ErrNoNode):
			if !gone && shown.Zxid != 0 {
				if err := c.printGone(path); err != nil {
					return err
				}
			}
			gone = true
		case errors.Is(err, config.ErrStale): // the value is out of date, and the watch continues
		case err != nil:
			return err
		case s.Zxid != 0 && (s.Zxid != shown.Zxid || s.Version != shown.Version || !bytes.Equal(s.Value, shown.Value)):
			stop()
			if err := show(s); err != nil {
				return err
			}
			shown, gone = s, false
		}
	}
	return ctx.Err()
}

func (c *client) printGone(path string) error {
	if !c.json {
		c.notice("%s is deleted", path)
		return nil
	}
	return c.print("", map[string]bool{"deleted": true})
}

// apply runs the command for one version.
func (c *client) apply(path string, run *proc.Command, v valueVersion) error {
	env := append(os.Environ(),
		"ZKR_PATH="+path,
		"ZKR_VERSION="+strconv.Itoa(int(v.Version)),
		"ZKR_ZXID="+strconv.FormatInt(int64(v.Zxid), 10))
	p, err := c.sig.StartWithInput(run, proc.Spec{Env: env, Notice: c.notice}, v.Value)
	switch {
	case err != nil && c.sig.WaitContext().Err() != nil:
		return nil // the watch has ended, which untilSignal handles
	case err != nil:
		return cannotRun(run.Name(), err)
	}
	<-p.Done()
	p.CloseInput()
	switch killed := c.sig.Detach(p); {
	case killed && !proc.IsTermination(p.KilledBy()):
		return exit(p.ExitCode(), nil)
	case p.ExitCode() != 0:
		c.notice("%s: %s has ended with %d for version %d", path, run.Name(), p.ExitCode(), v.Version)
	}
	return nil
}

// missing returns the reason that there is no value at path.
func (c *client) missing(ctx context.Context, path string) (waitReason, error) {
	_, exists, err := c.Exists(ctx, path)
	if err != nil || exists {
		return waitReason{}, err
	}
	return waitReason{key: "missing", text: ", which does not exist"}, nil
}
