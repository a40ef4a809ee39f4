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
usage, 3 if no server can be reached, 4 if not authorized, 5 if the output
cannot be written.`,
		Example: `  zkr service watch web
  zkr service watch --layout serverset --root /prod/sets --json`,
	}
	return a.readingRegistry(cmd, (*app).untilSignalSynced, func(ctx context.Context, c *client, r *registry.Registry, service string) error {
		views := r.WatchAll(ctx)
		if service != "" {
			views = onlyService(service, r.Watch(ctx, service))
		}
		var last instances
		for lists, err := range views {
			if err != nil {
				return err
			}
			view := newInstances(lists)
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

func newInstances(lists map[string][]registry.Instance) instances {
	v := make(instances)
	for service, list := range lists {
		for _, in := range list {
			v[instanceKey{service, in.ID}] = in
		}
	}
	return v
}

// onlyService converts the lists of one service to those of WatchAll.
func onlyService(service string, lists iter.Seq2[[]registry.Instance, error]) iter.Seq2[map[string][]registry.Instance, error] {
	return func(yield func(map[string][]registry.Instance, error) bool) {
		for list, err := range lists {
			if !yield(map[string][]registry.Instance{service: list}, err) {
				return
			}
		}
	}
}

// compare returns the instances that are not in others, and those that are different there.
func (v instances) compare(others instances) (missing, changed []registry.Instance) {
	for k, in := range v {
		if other, ok := others[k]; !ok {
			missing = append(missing, in)
		} else if !reflect.DeepEqual(in, other) {
			changed = append(changed, in)
		}
	}
	return missing, changed
}

func (c *client) printInstances(now, last instances, named bool) error {
	left, _ := last.compare(now)
	joined, changed := now.compare(last)
	for _, change := range []struct {
		event string
		list  []registry.Instance
		words func(registry.Instance) string
	}{
		{"left", left, instanceText},
		{"joined", joined, instanceDetails},
		{"changed", changed, instanceDetails},
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
