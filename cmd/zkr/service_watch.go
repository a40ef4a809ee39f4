package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"reflect"
	"slices"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/registry"
)

func newServiceWatch(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch [flags] [NAME]",
		Short: "Print the instances and each change",
		Long: `Print a line for each instance of the service NAME, and for each change:
"joined", "left" or "changed", the id, the address and, unless the instance has
left, the details that service ls prints. Without NAME, print the instances of
all services, with the name of the service before the id. Quick successive
changes may be printed as one.

Exit codes: 0, 1 if the registry is the path of another recipe, 2 for bad
usage, 3 if no server can be reached, 4 if not authorised, 5 if the output
cannot be written.`,
		Example: `  zkr service watch web
  zkr service watch --layout serverset --root /prod/sets --json`,
	}
	return a.readingRegistry(cmd, (*app).untilSignalSynced, func(ctx context.Context, c *client, r *registry.Registry, service string) error {
		views := allInstances(r.WatchAll(ctx))
		if service != "" {
			views = serviceInstances(service, r.Watch(ctx, service))
		}
		var last instances
		for view, err := range views {
			if err != nil {
				return err
			}
			if err := c.printInstances(view, last, service == ""); err != nil {
				return err
			}
			last = view
		}
		return nil
	})
}

// instances are the instances of one service, or of all.
type instances map[instanceKey]registry.Instance

// instanceKey identifies an instance across changes.
type instanceKey struct{ service, id string }

func (v instances) add(service string, list []registry.Instance) {
	for _, in := range list {
		v[instanceKey{service, in.ID}] = in
	}
}

// serviceInstances converts the lists of one service.
func serviceInstances(service string, lists iter.Seq2[[]registry.Instance, error]) iter.Seq2[instances, error] {
	return func(yield func(instances, error) bool) {
		for list, err := range lists {
			v := make(instances)
			if v.add(service, list); !yield(v, err) {
				return
			}
		}
	}
}

// allInstances converts the lists of all services.
func allInstances(all iter.Seq2[map[string][]registry.Instance, error]) iter.Seq2[instances, error] {
	return func(yield func(instances, error) bool) {
		for lists, err := range all {
			v := make(instances)
			for service, list := range lists {
				v.add(service, list)
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// missingIn returns the instances that are not in others.
func (v instances) missingIn(others instances) []registry.Instance {
	var list []registry.Instance
	for k, in := range v {
		if _, ok := others[k]; !ok {
			list = append(list, in)
		}
	}
	return list
}

// changedIn returns the instances that are different in others.
func (v instances) changedIn(others instances) []registry.Instance {
	var list []registry.Instance
	for k, in := range v {
		if other, ok := others[k]; ok && !reflect.DeepEqual(in, other) {
			list = append(list, in)
		}
	}
	return list
}

func (c *client) printInstances(now, last instances, named bool) error {
	for _, change := range []struct {
		event string
		list  []registry.Instance
		words func(registry.Instance) string
	}{
		{"left", last.missingIn(now), instanceText},
		{"joined", now.missingIn(last), instanceDetails},
		{"changed", now.changedIn(last), instanceDetails},
	} {
		slices.SortFunc(change.list, func(a, b registry.Instance) int {
			return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.ID, b.ID))
		})
		for _, in := range change.list {
			words := change.words(in)
			if named {
				words = oneWord(in.Service) + " " + words
			}
			err := c.print(fmt.Sprint(change.event, " ", words), struct {
				Event string `json:"event"`
				instanceJSON
			}{change.event, newInstanceJSON(in)})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
