package registry

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/view"
	"github.com/zkrecipes/zkrecipes/session"
)

// patience is how long to try for a set of instances of one moment while they go
// on changing.
const patience = 2 * time.Second

// Resolver keeps the instances of a service at hand, for whoever calls it often.
// It keeps the last ones that it has seen while the ensemble is away. It is safe
// for concurrent use.
type Resolver struct {
	registry *Registry
	service  string
	view     *view.View
	closed   atomic.Bool
	dir      string
	now      atomic.Pointer[set]

	mu     sync.Mutex // guards what follows, and the making of a new set
	reader *reader
	failed map[string]time.Time // by Instance.key
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
	v, err := view.Open(ctx, r.session, dir, view.Options{Depth: 1, Patience: patience})
	if err != nil {
		return nil, err
	}
	return &Resolver{registry: r, service: service, view: v, dir: dir, reader: r.reader(), failed: make(map[string]time.Time)}, nil
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
	return &session.OpError{Op: "pick", Path: r.dir, Err: err}
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

// current is the latest set.
func (r *Resolver) current() *set {
	if now := r.now.Load(); now != nil && now.snapshot == r.view.Snapshot() {
		return now
	}
	now, problems := r.renew()
	r.registry.report(problems)
	return now
}

func (r *Resolver) renew() (*set, []error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	snap := r.view.Snapshot()
	if now := r.now.Load(); now != nil && now.snapshot == snap {
		return now, nil
	}
	return r.make(snap), r.reader.problems()
}

// make builds the set of a snapshot. r.mu is held.
func (r *Resolver) make(snap *view.Snapshot) *set {
	next := &set{snapshot: snap, instances: r.reader.service(r.service, r.dir, snap)}
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
	return next
}

// Changed returns a channel that is closed at the next change of Instances, and
// when Err changes for another reason than the state of the session. Take it
// before Instances, and no change is missed.
func (r *Resolver) Changed() <-chan struct{} { return r.view.Changed() }

// Err is nil if Instances are kept up to date, and else says why they are not: the
// session is not connected, or has just begun and reads everything again, or the
// node of an instance may not be read.
func (r *Resolver) Err() error { return r.view.Err() }

// Close ends the following. When it returns, nothing is left of it but what
// Instances returned last. It may be called again.
func (r *Resolver) Close() {
	r.closed.Store(true)
	r.view.Close()
}
