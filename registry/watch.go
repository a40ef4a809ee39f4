package registry

import (
	"context"
	"iter"
	"reflect"
	"slices"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/session"
)

// Watch yields the instances of a service as Lookup returns them, and all of them
// again after every change. The slices must not be changed. A slow reader skips sets
// that have been replaced in the meantime and always gets the latest. While the
// ensemble cannot be reached, and until everything has been read again in a new
// session, nothing is yielded; continue to use the last set.
//
// Watch ends with a pair whose error is not nil: the end of ctx, session.ErrClosed, or
// session.ErrNoAuth. Leaving the loop ends the watch.
//
// An instance that appears, disappears or changes costs one flight for the list, and
// one for the new nodes. Changes close together are read together, at the
// earliest a tenth of a second after the last read.
func (r *Registry) Watch(ctx context.Context, service string) iter.Seq2[[]Instance, error] {
	return func(yield func([]Instance, error) bool) {
		dir, err := r.dir("watch", service)
		if err != nil {
			yield(nil, err)
			return
		}
		rd := r.reader()
		watchView(ctx, r.session, dir, view.Options{Package: "registry", Closed: ErrClosed, Stale: ErrStale, Depth: 1, Patience: maxUnsettled}, func(s *view.Snapshot) []Instance {
			list := rd.service(service, dir, s)
			r.report(rd.problems())
			return list
		}, yield)
	}
}

// WatchAll is Watch for all services: it yields the instances of each service that has
// any. It reads and watches every node. Use it for operators' tools; clients of one
// service should use Watch or Resolve.
func (r *Registry) WatchAll(ctx context.Context) iter.Seq2[map[string][]Instance, error] {
	return func(yield func(map[string][]Instance, error) bool) {
		if err := r.check("watch"); err != nil {
			yield(nil, err)
			return
		}
		rd := r.reader()
		depth := 2
		if r.options.layout == Spring { // service names may have slashes
			depth = view.Unlimited
		}
		watchView(ctx, r.session, r.root, view.Options{Package: "registry", Closed: ErrClosed, Stale: ErrStale, Depth: depth, Patience: maxUnsettled}, func(s *view.Snapshot) map[string][]Instance {
			all := rd.services(s)
			r.report(rd.problems())
			return all
		}, yield)
	}
}

// watchView yields the result of read for each snapshot of a view, unless it equals the
// previous result.
func watchView[T any](ctx context.Context, s *session.Session, path string, opts view.Options,
	read func(*view.Snapshot) T, yield func(T, error) bool) {
	var last T
	v, err := view.Open(ctx, s, path, opts)
	if err != nil {
		yield(last, err)
		return
	}
	defer v.Close()
	first := true
	for snap, err := range v.Watch(ctx) {
		if err != nil {
			yield(last, err)
			return
		}
		next := read(snap)
		if !first && reflect.DeepEqual(next, last) {
			continue
		}
		first, last = false, next
		if !yield(next, nil) {
			return
		}
	}
}

// service returns the instances in a snapshot of a service's node.
func (rd *reader) service(service, dir string, s *view.Snapshot) []Instance {
	var list []Instance
	for _, n := range s.Nodes {
		list = append(list, rd.read(service, inSession(dir, n))...)
	}
	rd.sweep()
	slices.SortFunc(list, Instance.compare)
	return list
}

// services returns the instances in a snapshot of the root, by service.
func (rd *reader) services(s *view.Snapshot) map[string][]Instance {
	all := make(map[string][]Instance)
	for _, n := range s.Nodes {
		i := strings.LastIndexByte(n.Path, '/')
		if i > 0 {
			service := n.Path[:i]
			if list := rd.read(service, inSession(rd.registry.root, n)); len(list) > 0 {
				all[service] = append(all[service], list...)
			}
		}
	}
	rd.sweep()
	for _, list := range all {
		slices.SortFunc(list, Instance.compare)
	}
	return all
}

func inSession(dir string, n view.Node) session.Node {
	return session.Node{Path: session.Join(dir, n.Path), Data: n.Data, Stat: n.Stat, Err: n.Err}
}
