package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/session"
)

func newMemberJoin(a *app) *cobra.Command {
	var id, data string
	cmd := &cobra.Command{
		Use:   "join --id ID [flags] PATH [-- CMD ARG...]",
		Short: "Be a member while a command runs",
		Long: `Join the group at PATH, run CMD, leave when it has ended, and exit with its code. If
the id is taken, wait until it is free.

CMD runs as that of zkr lock does, but nothing ends it: should the session be lost, the
member is announced again in the next, and ZKR_TOKEN and ZKR_SESSION are those at the
beginning. Without CMD, print the token and be a member until a signal.

Exit codes: CMD's own, 128+N if signal N ended CMD or the wait, 125 if zkr failed, 126
if CMD cannot be executed, 127 if it is not found.`,
		Example:     `  zkr member join --id web1 --data 10.0.0.1:8080 /groups/web -- serve`,
		Annotations: map[string]string{wraps: ""},
	}
	fs := cmd.Flags()
	fs.StringVar(&id, "id", "", "`name` to be known by")
	fs.StringVar(&data, "data", "", "`text` for the others to see")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, command, err := pathAndCommand(cmd, args)
		switch {
		case err != nil:
			return err
		case id == "":
			return usage("--id is missing")
		}
		o := &owner{app: a, path: path, command: command, grace: defaultGrace}
		return o.run(func(ctx context.Context, s *session.Session) (grip, error) {
			m, err := membership.New(s, path).Join(ctx, id, []byte(data))
			if err != nil {
				return nil, err
			}
			p := &present{Membership: m, id: s.Status().ID, left: make(chan struct{}), quiet: make(chan struct{})}
			go p.report(a)
			return p, nil
		})
	}
	return cmd
}

// present is membership of a group, which is not lost as ownership is: it comes
// back by itself.
type present struct {
	*membership.Membership
	id    int64         // of the session at the beginning
	left  chan struct{} // closed by release
	quiet chan struct{} // closed when nothing is reported any more
}

func (p *present) Context() context.Context { return context.Background() }
func (p *present) Err() error               { return nil }
func (p *present) SessionID() int64         { return p.id }

func (p *present) release(ctx context.Context) error {
	close(p.left)
	<-p.quiet
	return p.Leave(ctx)
}

// report tells people when the others do not see the member, and when they do
// again.
func (p *present) report(a *app) {
	defer close(p.quiet)
	for absent := false; ; {
		changed := p.Changed()
		switch err := p.Membership.Err(); {
		case errors.Is(err, membership.ErrLeft), errors.Is(err, session.ErrClosed):
			return
		case err != nil && !absent:
			a.notice("%s: not a member: %v", p.ID(), err)
			absent = true
		case err == nil && absent:
			a.notice("%s: a member again", p.ID())
			absent = false
		}
		select {
		case <-changed:
		case <-p.left:
			return
		}
	}
}
