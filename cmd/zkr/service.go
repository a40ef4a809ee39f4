package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
)

func newService(a *app) *cobra.Command {
	return group("service", "Register and find services",
		`Register and find instances of services. An instance is removed when it is
deregistered, when it dies, and when it is cut off for longer than its session
timeout.`,
		newServiceRegister(a), newServiceLs(a), newServiceWatch(a))
}

// registryFlags are the flags for the path and the layout of a registry.
type registryFlags struct{ layout, root string }

func (f *registryFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.layout, "layout", registry.Curator.String(),
		"the nodes to use: `curator`, spring (Spring Cloud), micro (Go Micro), kratos or serverset (Twitter's)")
	fs.StringVar(&f.root, "root", "", "`path` of the services (default: that of the layout, for example /services)")
}

// constructor checks the flags and returns a function that returns the registry.
func (f *registryFlags) constructor(a *app) (func(*session.Session) *registry.Registry, error) {
	l, err := registry.ParseLayout(f.layout)
	if err != nil {
		return nil, usage("--layout %s is none of curator, spring, micro, kratos and serverset", f.layout)
	}
	if f.root != "" {
		if err := session.CheckPath(f.root); err != nil {
			return nil, usage("--root: %w", errors.Unwrap(err))
		}
	}
	return func(s *session.Session) *registry.Registry {
		return registry.New(s, f.root, registry.WithLayout(l), registry.WithMalformedHandler(func(err error) { a.notice("%v", err) }))
	}, nil
}

// path returns the parent of the services. The flags must have been checked.
func (f *registryFlags) path() string {
	l, _ := registry.ParseLayout(f.layout)
	return cmp.Or(f.root, l.Root())
}

// parse is constructor for commands with an optional argument NAME, which it returns as
// service. It checks the name before anything is sent.
func (f *registryFlags) parse(a *app, args []string) (registryOf func(*session.Session) *registry.Registry, service string, err error) {
	registryOf, err = f.constructor(a)
	if err != nil || len(args) == 0 {
		return registryOf, "", err
	}
	const anyAddr = "host:1"
	if err := registryOf(nil).Check(registry.Instance{Service: args[0], Addr: anyAddr}); err != nil {
		return nil, "", exitOfSession(err)
	}
	return registryOf, args[0], nil
}

// readingRegistry completes a command that reads one service, or all if service is "".
func (a *app) readingRegistry(cmd *cobra.Command, mode readMode, f func(ctx context.Context, c *client, r *registry.Registry, service string) error) *cobra.Command {
	var flags registryFlags
	var target pathCheck
	flags.register(cmd)
	target.register(cmd)
	cmd.Args = optionalName
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		registryOf, service, err := flags.parse(a, args)
		if err != nil {
			return err
		}
		read := func(ctx context.Context, c *client) error { return f(ctx, c, registryOf(c.Session), service) }
		return mode(a, target.then(read, flags.path()))
	}
	return cmd
}

// instanceJSON describes an instance.
type instanceJSON struct {
	Service    string                     `json:"service"`
	ID         string                     `json:"id"`
	Addr       string                     `json:"addr"`
	TLSPort    int                        `json:"tlsPort,omitempty"`
	Version    string                     `json:"version,omitempty"`
	Weight     int                        `json:"weight,omitempty"`
	Disabled   bool                       `json:"disabled,omitempty"`
	Meta       map[string]string          `json:"meta,omitempty"`
	Endpoints  []string                   `json:"endpoints,omitempty"`
	Payload    json.RawMessage            `json:"payload,omitempty"`
	URISpec    string                     `json:"uriSpec,omitempty"`
	Registered *time.Time                 `json:"registered,omitempty"`
	Extra      map[string]json.RawMessage `json:"extra,omitempty"`
}

func newInstanceJSON(in registry.Instance) instanceJSON {
	j := instanceJSON{
		Service: in.Service, ID: in.ID, Addr: in.Addr, TLSPort: in.TLSPort, Version: in.Version, Weight: in.Weight, Disabled: in.Disabled,
		Meta: in.Meta, Endpoints: in.Endpoints, Payload: in.Payload, URISpec: in.URISpec, Extra: in.Extra,
	}
	if !in.Registered.IsZero() {
		registered := in.Registered.UTC()
		j.Registered = &registered
	}
	return j
}

// instanceText returns an instance's id and address.
func instanceText(in registry.Instance) string { return oneWord(in.ID) + " " + oneWord(in.Addr) }

// instanceDetails returns instanceText, whether the instance is disabled, and its metadata.
func instanceDetails(in registry.Instance) string {
	words := []string{instanceText(in)}
	if in.Disabled {
		words = append(words, "disabled")
	}
	for _, key := range slices.Sorted(maps.Keys(in.Meta)) {
		words = append(words, oneWord(key)+"="+oneWord(in.Meta[key]))
	}
	return strings.Join(words, " ")
}

// optionalName accepts at most one argument, NAME, which must not be empty.
func optionalName(cmd *cobra.Command, args []string) error {
	if len(args) == 1 && args[0] == "" {
		return usage("NAME is empty")
	}
	return arguments("[NAME]")(cmd, args)
}
