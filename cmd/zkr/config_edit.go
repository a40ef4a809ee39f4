package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/session"
)

func newConfigEdit(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "edit PATH",
		Short: "Edit a value",
		Long: `Edit the value at PATH with $EDITOR (default vi), store it if it has changed,
and print its version. If another client has stored a value since, it is not
overwritten, and the edited value stays in a file.

Exit codes: 0, 1 if the editor fails or the version is another one, 2 for bad
usage, 3 if no server can be reached or the session is lost, 4 if not
authorized, 5 if the output cannot be written; 126 if the editor cannot be
executed, 127 if it is not found.`,
		Args: onePath,
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		editor, err := commandOfWords(cmp.Or(os.Getenv("EDITOR"), "vi"))
		if err != nil {
			return err
		}
		return a.withSession(func(ctx context.Context, c *client) error { return c.edit(ctx, args[0], editor) })
	}
	return cmd
}

func (c *client) edit(ctx context.Context, path string, editor *proc.Command) (err error) {
	if err := c.Sync(ctx, "/"); err != nil {
		return err
	}
	old, err := config.Get(ctx, c.Session, path, codec.Bytes())
	if errors.Is(err, session.ErrNoNode) {
		old.Version, err = config.Absent, nil
	}
	if err != nil {
		return err
	}
	file, err := writeTemporary(old.Value)
	if err != nil {
		return exit(exitNo, err)
	}
	keep := false
	defer func() {
		if !keep {
			os.Remove(file)
		}
	}()
	if err := c.runEditor(editor, file); err != nil {
		return err
	}
	value, err := os.ReadFile(file)
	if err != nil {
		return exit(exitNo, err)
	}
	if bytes.Equal(value, old.Value) {
		c.notice("%s: not changed", path)
		return nil
	}
	if err = c.put(ctx, path, value, old.Version); err != nil {
		keep = true
		c.notice("the edited value is in %s", file)
	}
	return err
}

func writeTemporary(data []byte) (name string, err error) {
	f, err := os.CreateTemp("", "zkr-*.txt")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	return f.Name(), errors.Join(err, f.Close())
}

// runEditor runs the editor with the terminal.
func (c *client) runEditor(editor *proc.Command, file string) error {
	run := &proc.Command{File: editor.File, Args: append(editor.Args[:len(editor.Args):len(editor.Args)], file)}
	p, err := c.sig.Start(run, proc.Spec{Env: os.Environ(), Stdin: os.Stdin, Foreground: true, Notice: c.notice})
	if err != nil {
		return startError(editor, err)
	}
	<-p.Done()
	switch killed := c.sig.Detach(p); {
	case killed:
		return exit(p.ExitCode(), nil)
	case p.ExitCode() != 0:
		return exit(exitNo, fmt.Errorf("%s has ended with %d, nothing is stored", editor.Name(), p.ExitCode()))
	}
	return nil
}
