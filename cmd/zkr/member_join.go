package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/session"
)

func newMemberJoin(a *app) *cobra.Command {
	var id, data string
	cmd := &cobra.Command{
		Use:   "join --id ID [flags] PATH [-- CMD ARG...]",
		Short: "Be a member of a group while a command runs",
		Long: `Join the group at PATH, run CMD, leave when it has ended, and exit with its
code. If the id is in use, wait until it is free.

CMD is run as by zkr lock, but it is not stopped when the session is lost: zkr
joins again in the next session. ZKR_TOKEN and ZKR_SESSION are those at the
start of CMD. Without CMD, print the token and be a member until a signal.

Exit codes: that of CMD, 128+N if signal N ended CMD or the wait, 5 if the
token cannot be written, 125 if zkr failed (no session, missing rights, bad
usage), 126 if CMD cannot be executed, 127 if it is not found.`,
		Example:     `  zkr member join --id web1 --data 10.0.0.1:8080 /groups/web -- serve`,
		Annotations: map[string]string{wrapsAnnotation: ""},
	}
	fs := cmd.Flags()
	fs.StringVar(&id, "id", "", "`id` of the member")
	fs.StringVar(&data, "data", "", "`text` that others see")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, command, err := pathAndCommand(cmd, args)
		switch {
		case err != nil:
			return err
		case id == "":
			return usage("--id is missing")
		}
		r := &holdRunner{app: a, path: path, command: command, grace: defaultGrace}
		return r.run(func(ctx context.Context, s *session.Session) (ownership, error) {
			stop := a.explain(ctx, waitExplanation{what: "the id " + oneWord(id) + " of " + path, read: func(ctx context.Context) (waitReason, error) {
				return nodeAge(ctx, s, session.Join(path, id), ", in use for ")
			}})
			m, err := membership.New(s, path).Join(ctx, id, []byte(data))
			stop()
			if err != nil {
				return nil, err
			}
			n := &announcement{announcer: m, name: m.ID(), role: "a member", withdraw: m.Leave, withdrawn: membership.ErrLeft}
			return n.start(a, s), nil
		})
	}
	return cmd
}
