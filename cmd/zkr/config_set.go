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
		Long: `Store VALUE, or stdin if there is no VALUE, at PATH, and print the new version.
With --version, store it only if the current version is N, or if there is no
value yet (absent).

Exit codes: 0, 1 if the version is another one, 2 for bad usage, 3 if no server
can be reached or the session is lost, 4 if not authorized, 5 if the output
cannot be written.`,
		Example: `  zkr config set /app/limit 100
  zkr config set --version 7 /app/limit 200      only if it is still version 7
  zkr config set --version absent /app/conf < app.yaml`,
		Args: arguments("PATH", "[VALUE]"),
	}
	cmd.Flags().StringVar(&version, "version", "", "the version to replace: `N`, or absent")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
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

// valueOrStdin returns the argument if there is one, and stdin otherwise. It is called
// before anything is connected, so a signal may simply end the process.
func (a *app) valueOrStdin(args []string) ([]byte, error) {
	if len(args) > 0 {
		return []byte(args[0]), nil
	}
	maxSize := a.maxBuffer + 1 // more than a node can hold
	data, err := io.ReadAll(io.LimitReader(os.Stdin, int64(maxSize)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("stdin: %w", err)
	case len(data) > maxSize:
		return nil, fmt.Errorf("stdin has more than %d bytes", maxSize)
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
