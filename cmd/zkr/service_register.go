package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
)

func newServiceRegister(a *app) *cobra.Command {
	var f registryFlags
	var name, addr, id string
	var meta []string
	cmd := &cobra.Command{
		Use:   "register --name NAME --addr HOST:PORT [flags] [-- CMD ARG...]",
		Short: "Register an instance of a service while a command runs",
		Long: `Register an instance of the service NAME, run CMD, deregister when CMD has
ended, and exit with its code. An id that is in use is taken over: the instance
that had it waits until it is free again.

CMD is run as by zkr lock, but it is not stopped when the session is lost: zkr
registers the instance again in the next session. ZKR_TOKEN and ZKR_SESSION are
those at the start of CMD. ZKR_PATH is the node of the service. ZKR_SERVICE,
ZKR_ID and ZKR_ADDR describe the instance. Without CMD, print the id and stay
registered until a signal.

Exit codes: that of CMD, 128+N if signal N ended CMD or the wait, 5 if the id
cannot be written, 125 if zkr failed (no session, missing rights, bad usage),
126 if CMD cannot be executed, 127 if it is not found.`,
		Example: `  zkr service register --name web --addr 10.0.0.1:8080 --meta zone=a -- serve
  zkr service register --layout spring --name shop --id s1 --addr 10.0.0.1:80`,
		Annotations: map[string]string{wrapsAnnotation: ""},
	}
	fs := cmd.Flags()
	fs.StringVar(&name, "name", "", "`name` of the service")
	fs.StringVar(&addr, "addr", "", "`host:port` of the instance")
	fs.StringVar(&id, "id", "", "`id` of the instance (default: a unique one)")
	fs.StringArrayVar(&meta, "meta", nil, "`key=value` that callers see; may be repeated")
	f.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		command, err := onlyCommand(cmd, args)
		if err != nil {
			return err
		}
		switch {
		case !fs.Changed("name"):
			return usage("--name is missing")
		case !fs.Changed("addr"):
			return usage("--addr is missing")
		case fs.Changed("id") && id == "":
			return usage("--id is empty")
		}
		in := registry.Instance{Service: name, ID: id, Addr: addr}
		if in.Meta, err = parseMeta(meta); err != nil {
			return err
		}
		registryOf, err := f.constructor(a)
		if err != nil {
			return err
		}
		if err := registryOf(nil).Check(in); err != nil {
			return err
		}
		return a.register(registryOf, in, command)
	}
	return cmd
}

// parseMeta parses the values of --meta.
func parseMeta(pairs []string) (map[string]string, error) {
	var meta map[string]string
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		switch _, twice := meta[key]; {
		case !ok || key == "":
			return nil, usage("--meta %s is not KEY=VALUE", pair)
		case twice:
			return nil, usage("--meta %s: the key is given twice", pair)
		case meta == nil:
			meta = make(map[string]string)
		}
		meta[key] = value
	}
	return meta, nil
}

func (a *app) register(registryOf func(*session.Session) *registry.Registry, instance registry.Instance, command *proc.Command) error {
	r := &holdRunner{app: a, command: command, grace: defaultGrace}
	return r.run(func(ctx context.Context, s *session.Session) (ownership, error) {
		g, err := registryOf(s).Register(ctx, instance)
		if err != nil {
			return nil, err
		}
		in := g.Instance()
		r.path, _ = session.Split(g.Path())
		r.vars = []string{"ZKR_SERVICE=" + in.Service, "ZKR_ID=" + in.ID, "ZKR_ADDR=" + in.Addr}
		r.format = func(description ownedJSON) (string, any) {
			return oneWord(in.ID), struct {
				instanceJSON
				ownedJSON
			}{newInstanceJSON(in), description}
		}
		n := &announcement{announcer: g, name: in.Service + " " + in.ID, role: "registered", withdraw: g.Deregister, withdrawn: registry.ErrDeregistered}
		return n.start(a, s), nil
	})
}
