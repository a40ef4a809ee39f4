package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/registry"
)

func newServiceLs(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ls [flags] [NAME]",
		Short: "Print the services, or the instances of one",
		Long: `Print the name of each service that has instances. With NAME, print a line for
each instance of that service: its id, its address, "disabled" if it must not
be used, and its metadata. Nodes that are not instances are reported on stderr.

Exit codes: 0, 1 if the service has no instances or the registry is the path of
another recipe, 2 for bad usage, 3 if no server can be reached, 4 if not
authorized, 5 if the output cannot be written.`,
	}
	return a.readingRegistry(cmd, (*app).withListing, func(ctx context.Context, c *client, r *registry.Registry, service string) error {
		if service == "" {
			return c.listServices(ctx, r)
		}
		return c.listInstances(ctx, r, service)
	})
}

func (c *client) listServices(ctx context.Context, r *registry.Registry) error {
	names, err := r.Services(ctx)
	if err != nil {
		return err
	}
	return printEach(names, func(name string) error { return c.print(oneWord(name), map[string]string{"service": name}) })
}

func (c *client) listInstances(ctx context.Context, r *registry.Registry, service string) error {
	list, err := r.Lookup(ctx, service)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return exit(exitNo, fmt.Errorf("%s: %w", oneWord(service), registry.ErrNoInstances))
	}
	return printEach(list, func(in registry.Instance) error { return c.print(instanceDetails(in), newInstanceJSON(in)) })
}
