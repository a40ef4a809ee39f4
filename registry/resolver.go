package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/session"
)

// maxUnsettled is how long to try to read the instances of one moment while they keep
// changing.
const maxUnsettled = 2 * time.Second

// Resolver keeps the instances of a service in memory, for clients that need them
// often. While the ensemble cannot be reached it keeps the instances that it has seen
// last, and for a short time after that; see WithOutageGrace. It is safe for
// concurrent use.
type Resolver struct {
	registry *Registry
	service  string
	view     *view.View
	closed   atomic.Bool
	dir      string
	now      atomic.Pointer[set]
	pending  atomic.Bool // reader has problems to report

	ended chan struct{} // closed when run has returned

	mu      sync.Mutex // guards the fields below and the creation of a set
	reader  *reader
	failed  map[string]time.Time // by Instance.key
	kept    []Instance           // registered before an outage and not again since
	until   time.Time            // when kept is no longer shown
	changed chan struct{}        // closed at the next change
}

// set is what a Resolver knows at one moment. It is immutable.
type set struct {
	snapshot   *view.Snapshot
	instances  []Instance
	candidates []Candidate
	failed     time.Time // time of the last failure of any instance
}

// Candidate is an instance that a Picker may choose.
type Candidate struct {
	Instance
	Failed time.Time // when NoteError was last called for it; zero if never
}

// Resolve starts to follow a service and returns when its instances are known. ctx
// bounds only this call. A service without instances is followed as well. The caller
// must call Close.
//
// Resolve takes two round trips. The cost of changes is that of Watch.
func (r *Registry) Resolve(ctx context.Context, service string) (*Resolver, error) {
	dir, err := r.dir("resolve", service)
	if err != nil {
		return nil, err
	}
	v, err := view.Open(ctx, r.session, dir, view.Options{Package: "registry", Closed: ErrClosed, Stale: ErrStale, Depth: 1, Patience: maxUnsettled})
	if err != nil {
		return nil, err
	}
	res := &Resolver{
		registry: r, service: service, view: v, dir: dir, ended: make(chan struct{}),
		reader: r.reader(), failed: make(map[string]time.Time), changed: make(chan struct{}),
	}
	res.renew()
	go res.run()
	return res, nil
}

// Follow yields the instances of a service as a Resolver shows them, and all of them
// again after every change. Use it to pass instances to another load balancer. The
// slices must not be changed.
//
// Unlike Watch, Follow includes the instances that WithOutageGrace keeps. It ends with a
// pair whose error is not nil, that of Resolve or of Resolver.Watch. It does not retry.
// Leaving the loop ends Follow.
//
// The cost is that of Resolve.
func (r *Registry) Follow(ctx context.Context, service string) iter.Seq2[[]Instance, error] {
	return func(yield func([]Instance, error) bool) {
		res, err := r.Resolve(ctx, service)
		if err != nil {
			yield(nil, err)
			return
		}
		defer res.Close()
		res.Watch(ctx)(yield)
	}
}

// run takes over what the view shows, until the view ends.
func (r *Resolver) run() {
	defer close(r.ended)
	last := ""
	for {
		viewChanged := r.view.Changed()
		r.renew()
		err := r.view.Err()
		if problem := fmt.Sprint(err); problem != last {
			if last != "" {
				r.mu.Lock()
				r.notify()
				r.mu.Unlock()
			}
			last = problem
		}
		if errors.Is(err, session.ErrClosed) {
			return
		}
		r.await(viewChanged)
	}
}

// await waits for a change of the view, or for the time when kept instances are
// dropped.
func (r *Resolver) await(viewChanged <-chan struct{}) {
	r.mu.Lock()
	left := time.Hour
	if len(r.kept) > 0 {
		left = time.Until(r.until)
	}
	r.mu.Unlock()
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-viewChanged:
	case <-t.C:
		r.mu.Lock()
		defer r.mu.Unlock()
		if now := r.now.Load(); len(r.kept) > 0 && !time.Now().Before(r.until) {
			r.make(now.snapshot)
		}
	}
}

// notify closes the channel of Changed. The caller must hold r.mu.
func (r *Resolver) notify() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// Load returns all instances, sorted by id. The slice must not be changed.
func (r *Resolver) Load() []Instance { return r.current().instances }

// Pick chooses an instance among those that are not Disabled, have an address, and
// have not failed recently (see NoteError). If all have failed recently, it chooses
// among all of them. The error is ErrNoInstances if there are none, and ErrClosed
// after Close. Pick sends nothing, whether the ensemble can be reached or not.
func (r *Resolver) Pick(p Picker) (Instance, error) {
	if r.closed.Load() {
		return Instance{}, r.opError(ErrClosed)
	}
	now := r.current()
	candidates := now.candidates
	if backoff := r.registry.options.failureBackoff; !now.failed.IsZero() && time.Since(now.failed) < backoff {
		healthy := slices.DeleteFunc(slices.Clone(candidates), func(c Candidate) bool {
			return !c.Failed.IsZero() && time.Since(c.Failed) < backoff
		})
		if len(healthy) > 0 {
			candidates = healthy
		}
	}
	if len(candidates) == 0 {
		return Instance{}, r.opError(ErrNoInstances)
	}
	return candidates[p(candidates)].Instance, nil
}

func (r *Resolver) opError(err error) error {
	return &session.OpError{Package: "registry", Op: "pick", Path: r.dir, Err: err}
}

// NoteError records that an instance has failed. Pick does not choose it for a while;
// see WithFailureBackoff. The record is dropped when the instance disappears.
func (r *Resolver) NoteError(in Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed[in.key()] = time.Now()
	if now := r.now.Load(); now != nil {
		r.make(now.snapshot)
	}
}

func (in *Instance) key() string { return in.ID + "\x00" + in.Addr }

// current returns the latest set. It reports problems on the caller's goroutine.
func (r *Resolver) current() *set {
	now := r.now.Load()
	if now.snapshot != r.view.Snapshot() {
		now = r.renew()
	}
	if r.pending.Load() {
		r.mu.Lock()
		problems := r.reader.problems()
		r.pending.Store(false)
		r.mu.Unlock()
		r.registry.report(problems)
	}
	return now
}

// renew returns the set of the view's latest snapshot, and builds it if necessary.
func (r *Resolver) renew() *set {
	r.mu.Lock()
	defer r.mu.Unlock()
	snap := r.view.Snapshot()
	if now := r.now.Load(); now != nil && now.snapshot == snap {
		return now
	}
	return r.make(snap)
}

// make builds the set of a snapshot. The caller must hold r.mu.
func (r *Resolver) make(snap *view.Snapshot) *set {
	last := r.now.Load()
	next := &set{snapshot: snap, instances: r.keep(last, snap, r.reader.service(r.service, r.dir, snap))}
	r.pending.Store(len(r.reader.wrong) > 0)
	failed := make(map[string]time.Time)
	for _, in := range next.instances {
		c := Candidate{Instance: in}
		if at, ok := r.failed[in.key()]; ok {
			failed[in.key()], c.Failed = at, at
			if at.After(next.failed) {
				next.failed = at
			}
		}
		if !in.Disabled && in.Addr != "" {
			next.candidates = append(next.candidates, c)
		}
	}
	r.failed = failed
	r.now.Store(next)
	if last != nil && !reflect.DeepEqual(last.instances, next.instances) {
		r.notify()
	}
	return next
}

// keep adds the instances from before an outage that have not registered again to the
// instances of a snapshot. The caller must hold r.mu.
func (r *Resolver) keep(last *set, snap *view.Snapshot, list []Instance) []Instance {
	if last != nil && last.snapshot != snap && last.snapshot.Epoch() != snap.Epoch() {
		grace := r.registry.options.grace
		if grace < 0 {
			grace = r.registry.session.Timeout()
		}
		r.kept, r.until = slices.Clone(last.instances), time.Now().Add(grace)
	}
	if !time.Now().Before(r.until) {
		r.kept = nil
	}
	r.kept = slices.DeleteFunc(r.kept, func(k Instance) bool {
		return slices.ContainsFunc(list, func(in Instance) bool { return in.ID == k.ID || k.Addr != "" && in.Addr == k.Addr })
	})
	if len(r.kept) > 0 {
		list = append(slices.Clone(list), r.kept...)
		slices.SortFunc(list, Instance.compare)
	}
	return list
}

// Changed returns a channel that is closed at the next change of what Load returns, and
// when Err changes for another reason than the state of the session. Call Changed before
// Load, so that no change is missed.
func (r *Resolver) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// Watch yields all instances, and all instances again after every change. It ends with
// a pair whose error is not nil: the end of ctx, ErrClosed, or session.ErrClosed.
// Unlike Registry.Watch it includes the instances that WithOutageGrace keeps.
func (r *Resolver) Watch(ctx context.Context) iter.Seq2[[]Instance, error] {
	return func(yield func([]Instance, error) bool) {
		var last *set
		for {
			changed := r.Changed()
			now := r.current()
			err := r.view.Err()
			switch {
			case ctx.Err() != nil:
				yield(now.instances, &session.OpError{Package: "registry", Op: "watch", Path: r.dir, Err: context.Cause(ctx)})
				return
			case r.closed.Load():
				yield(now.instances, &session.OpError{Package: "registry", Op: "watch", Path: r.dir, Err: ErrClosed})
				return
			case errors.Is(err, session.ErrClosed):
				yield(now.instances, err)
				return
			case last == nil || !reflect.DeepEqual(last.instances, now.instances):
				last = now
				if !yield(now.instances, nil) {
					return
				}
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

// Err returns nil while Load is kept up to date, and otherwise the reason why it
// is not: the session is not connected or has just begun and reads everything again,
// the node of an instance may not be read, or the Resolver is closed (ErrClosed).
func (r *Resolver) Err() error {
	if r.closed.Load() {
		return r.opError(ErrClosed)
	}
	return r.view.Err()
}

// Close stops following the service. When it returns, only the result of Load is
// left. It may be called again.
func (r *Resolver) Close() {
	r.closed.Store(true)
	r.view.Close()
	<-r.ended
}
