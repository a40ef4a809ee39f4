package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/session"
)

func newConfigSet(a *app) *cobra.Command {
	var version string
	cmd := &cobra.Command{
		Use:   "set [flags] PATH [VALUE]",
		Short: "Store a value",
		Long: `Store VALUE, or what stdin has, at PATH, and print the version that it has got. With
--version, do so only if the present version is N, or if there is no value yet.

Exit codes: 0, 1 if there is another version, 2 for bad usage, 3 if no server can be
reached or the session is lost, 4 if not authorised, 5 if the output cannot be
written.`,
		Example: `  zkr config set /app/limit 100
  zkr config set --version 7 /app/limit 200      unless somebody else has set it
  zkr config set --version absent /app/conf < app.yaml`,
	}
	cmd.Flags().StringVar(&version, "version", "", "the version to replace, `N` or absent")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usage("PATH is missing")
		case len(args) > 2:
			return usage("unexpected argument %q", args[2])
		}
		at := session.AnyVersion
		if cmd.Flags().Changed("version") {
			var err error
			if at, err = parseVersion(version); err != nil {
				return err
			}
		}
		value, err := a.valueOrStdin(args[1:])
		if err != nil {
			return err
		}
		return a.withSession(func(ctx context.Context, c *client) error { return c.put(ctx, args[0], value, at) })
	}
	return cmd
}

func parseVersion(s string) (int32, error) {
	if s == "absent" {
		return config.Absent, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		return 0, usage("--version %s is neither a number nor absent", s)
	}
	return int32(n), nil
}

// valueOrStdin is the argument, if there is one. Nothing has been begun yet that a
// signal would have to end in good order.
func (a *app) valueOrStdin(args []string) ([]byte, error) {
	if len(args) > 0 {
		return []byte(args[0]), nil
	}
	most := a.maxBuffer + 1 // more than a node can have
	data, err := io.ReadAll(io.LimitReader(os.Stdin, int64(most)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("stdin: %w", err)
	case len(data) > most:
		return nil, fmt.Errorf("stdin has more than %d bytes", most)
	}
	return data, nil
}

func (c *client) put(ctx context.Context, path string, value []byte, version int32) error {
	v, err := config.Put(ctx, c.Session, path, codec.Bytes(), value, version)
	if err != nil {
		return err
	}
	return c.print(strconv.Itoa(int(v.Version)), newVersionJSON(v))
}
