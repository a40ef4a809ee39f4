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

// patience is how long to try for a set of instances of one moment while they go
// on changing.
const patience = 2 * time.Second

// Resolver keeps the instances of a service at hand, for whoever calls it often.
// It keeps the last ones that it has seen while the ensemble is away, and for a
// moment after that; see WithOutageGrace. It is safe for concurrent use.
type Resolver struct {
	registry *Registry
	service  string
	view     *view.View
	closed   atomic.Bool
	dir      string
	now      atomic.Pointer[set]
	pending  atomic.Bool // there are problems to report

	ended chan struct{} // closed when run has returned

	mu      sync.Mutex // guards what follows, and the making of a new set
	reader  *reader
	failed  map[string]time.Time // by Instance.key
	kept    []Instance           // of before an outage, which have not come back
	until   time.Time            // how long they are shown
	changed chan struct{}        // closed at the next change
}

// set is what a Resolver knows at one moment. It is never changed.
type set struct {
	snapshot   *view.Snapshot
	instances  []Instance
	candidates []Candidate
	failed     time.Time // the last failure of any
}

// Candidate is an instance that a Picker may choose.
type Candidate struct {
	Instance
	Failed time.Time // when NoteError was last called for it; zero if never
}

// Resolve begins to follow a service and returns once its instances are known; ctx
// bounds only this call. A service without instances is followed, too. Close must
// be called in the end.
//
// It takes two round trips; what changes cost is said at Watch.
func (r *Registry) Resolve(ctx context.Context, service string) (*Resolver, error) {
	dir, err := r.dir("resolve", service)
	if err != nil {
		return nil, err
	}
	v, err := view.Open(ctx, r.session, dir, view.Options{Package: "registry", Closed: ErrClosed, Stale: ErrStale, Depth: 1, Patience: patience})
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

// run takes over what the view shows, to its end.
func (r *Resolver) run() {
	defer close(r.ended)
	last := ""
	for {
		viewed := r.view.Changed()
		r.renew()
		err := r.view.Err()
		if problem := fmt.Sprint(err); problem != last {
			if last != "" {
				r.mu.Lock()
				r.tell()
				r.mu.Unlock()
			}
			last = problem
		}
		if errors.Is(err, session.ErrClosed) {
			return
		}
		r.await(viewed)
	}
}

// await waits for a change of the view, or for the time when nothing is kept any
// more.
func (r *Resolver) await(viewed <-chan struct{}) {
	r.mu.Lock()
	left := time.Hour
	if len(r.kept) > 0 {
		left = time.Until(r.until)
	}
	r.mu.Unlock()
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-viewed:
	case <-t.C:
		r.mu.Lock()
		defer r.mu.Unlock()
		if now := r.now.Load(); len(r.kept) > 0 && !time.Now().Before(r.until) {
			r.make(now.snapshot)
		}
	}
}

// tell closes the channel of Changed. r.mu is held.
func (r *Resolver) tell() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// Instances returns all instances, sorted by id. The slice must not be changed.
func (r *Resolver) Instances() []Instance { return r.current().instances }

// Pick chooses an instance among those that are not Disabled, have an address, and
// do not rest after an error; if all of them rest, among all of them.
// ErrNoInstances if there are none, and ErrClosed after Close. It sends nothing,
// whether the ensemble can be reached or not.
func (r *Resolver) Pick(p Picker) (Instance, error) {
	if r.closed.Load() {
		return Instance{}, r.opError(ErrClosed)
	}
	now := r.current()
	candidates := now.candidates
	if rest := r.registry.options.rest; !now.failed.IsZero() && time.Since(now.failed) < rest {
		awake := slices.DeleteFunc(slices.Clone(candidates), func(c Candidate) bool {
			return !c.Failed.IsZero() && time.Since(c.Failed) < rest
		})
		if len(awake) > 0 {
			candidates = awake
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

// NoteError says that an instance has failed. It is passed over for a while; see
// WithRest. The note is forgotten when the instance goes.
func (r *Resolver) NoteError(in Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed[in.key()] = time.Now()
	if now := r.now.Load(); now != nil {
		r.make(now.snapshot)
	}
}

func (in *Instance) key() string { return in.ID + "\x00" + in.Addr }

// current is the latest set. It reports what is wrong, from the caller's goroutine.
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

// renew makes the set of the view's latest snapshot, if it is not made yet.
func (r *Resolver) renew() *set {
	r.mu.Lock()
	defer r.mu.Unlock()
	snap := r.view.Snapshot()
	if now := r.now.Load(); now != nil && now.snapshot == snap {
		return now
	}
	return r.make(snap)
}

// make builds the set of a snapshot. r.mu is held.
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
		r.tell()
	}
	return next
}

// keep adds to the instances of a snapshot those of before an outage that have not
// come back yet. r.mu is held.
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

// Changed returns a channel that is closed at the next change of Instances, and
// when Err changes for another reason than the state of the session. Take it
// before Instances, and no change is missed.
func (r *Resolver) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// Watch yields Instances and then every change, always all of them. It ends with a
// pair whose error is not nil: the end of ctx, ErrClosed, or session.ErrClosed.
// Unlike Registry.Watch it shows what WithOutageGrace keeps.
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

// Err is nil if Instances are kept up to date, and else says why they are not: the
// session is not connected, or has just begun and reads everything again, the
// node of an instance may not be read, or the Resolver is closed (ErrClosed).
func (r *Resolver) Err() error {
	if r.closed.Load() {
		return r.opError(ErrClosed)
	}
	return r.view.Err()
}

// Close ends the following. When it returns, nothing is left of it but what
// Instances returned last. It may be called again.
func (r *Resolver) Close() {
	r.closed.Store(true)
	r.view.Close()
	<-r.ended
}
