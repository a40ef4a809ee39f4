package election

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/identity"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/internal/recipe/run"
	"github.com/zkrecipes/zkrecipes/session"
)

// Errors to check for with errors.Is.
var (
	// ErrNoLeader is returned if there is no leader.
	ErrNoLeader = errors.New("election: no leader")
	// ErrOtherLeader is returned by TryCampaign if it would have to wait.
	ErrOtherLeader = errors.New("election: another candidate leads")
	// ErrLost is the cause of a term's context if the term ended without Resign. It
	// wraps the reason.
	ErrLost = session.NewError("election: leadership lost", session.ErrLost)
	// ErrResigned is the cause of a term's context after Resign, and the result of a
	// second Resign.
	ErrResigned = errors.New("election: resigned")
	// ErrInvalidID is returned for an id that could not be separated from the data
	// that follows it.
	ErrInvalidID = session.NewError("election: an id must not be empty or contain a newline", session.ErrInvalid)
)

// Election is an election of one leader among candidates. It is a name without state, so
// many goroutines may use one Election; each campaign is a separate candidate.
type Election struct {
	session  *session.Session
	path     string
	contest  contest
	id       string
	data     []byte
	behavior lease.Behavior
	argErr   error // the bad argument of New, which every call returns
}

// New returns the election at path. It sends nothing.
func New(s *session.Session, path string, opts ...Option) *Election {
	o := options{id: identity.Default()}
	for _, opt := range opts {
		opt(&o)
	}
	e := &Election{
		session: s, path: path, id: o.id, data: o.data,
		behavior: lease.Behavior{Lost: ErrLost, Released: ErrResigned, LoseOnSuspend: o.loseOnSuspend, StopTime: o.stopTime, IsRevoke: isRevoke},
	}
	e.argErr = args.Check("election", s, path, checkID(o.id), checkData(o.data))
	if o.fixed != nil {
		e.contest = &fixedContest{s, path, session.Join(path, *o.fixed), o.stopTime}
	} else {
		e.contest = &lineContest{line.Line{Package: "election", Session: s, Path: path, Layout: line.CuratorLatch, StopTime: o.stopTime, Err: e.argErr}}
	}
	return e
}

// Option configures an election.
type Option func(*options)

type options struct {
	id            string
	data          []byte
	loseOnSuspend bool
	stopTime      time.Duration
	fixed         *string
}

// WithID sets the id of this candidate, which Leader and Observe return. The default is
// host:pid. It must not be empty, contain a newline, or be __REVOKE__, which is the request
// to step down.
func WithID(id string) Option { return func(o *options) { o.id = id } }

// WithData sets data that is published beside the id while this candidate leads, for
// example an address. See Term.Proclaim. Its first line must not be __REVOKE__, which is
// the request to step down.
func WithData(data []byte) Option { return func(o *options) { o.data = bytes.Clone(data) } }

// WithLoseOnSuspend ends a term as soon as the connection breaks, instead of at the
// session's deadline.
func WithLoseOnSuspend() Option { return func(o *options) { o.loseOnSuspend = true } }

// WithStopTime ends a term d before its deadline, so that the leader can stop before the
// session can end on the server. From that moment on Context is done, and the node is
// kept until Resign is called or d has passed, even if the connection recovers, so that
// no other candidate leads in the meantime. There is no stop time if the node is deleted,
// if a server ends the session, or if the session is closed: the term then ends at once.
//
// d can be at most Session.MaxStopTime, about a third of the session timeout that the
// server has granted. Calls fail with session.ErrInvalid if it is longer. A term still
// survives outages of a quarter of the timeout; for that the session sends up to four
// times as many proofs. The first term of an idle session takes a quarter of the timeout
// longer; see session.WithSteadyProofs.
func WithStopTime(d time.Duration) Option { return func(o *options) { o.stopTime = d } }

// WithFixedNode elects by one ephemeral node with this name below the path. The candidate
// that creates the node leads. Use it to take part in elections of programs that work
// this way. When the node is deleted, all candidates try to create it, so it suits few
// candidates, and there is no order among those that wait. All candidates of an election
// must use the same name.
func WithFixedNode(name string) Option { return func(o *options) { o.fixed = &name } }

// Leader is the leader of an election.
type Leader struct {
	ID    string
	Data  []byte       // published beside the id; nil if there is none
	Token session.Zxid // of the term; 0 if there is no leader
	Path  string       // of the leader's node
	// Session is the ZooKeeper session that owns the leader's node. It is 0 for an
	// ownerless node: then no candidate can lead until that node is deleted.
	Session int64
}

// contest is one of the two ways to elect: a line or a fixed node.
type contest interface {
	// acquire creates a node that holds data, and waits until it leads.
	acquire(ctx context.Context, data []byte) (lease.Acquired, error)
	// tryAcquire creates a node that holds data, and returns what is acquired if the
	// node leads immediately. If another node leads, taken describes it.
	tryAcquire(ctx context.Context, data []byte) (acquired lease.Acquired, taken *lease.Taken, err error)
	// holder returns the path of the leader's node, or "" if there is none.
	holder(ctx context.Context, e *session.Epoch) (string, error)
	// watchVacant watches for the creation of a leader's node. It returns nil if
	// there is one.
	watchVacant(ctx context.Context, e *session.Epoch) (*session.Watch, error)
	// nodes reads the nodes of all candidates that have one, in order.
	nodes(ctx context.Context) ([]session.Node, error)
	// has reports whether a node at path would be that of a candidate.
	has(path string) bool
}

// Campaign blocks until this candidate leads or ctx is done. The candidate keeps its
// position in the line across reconnects. If its session expires, it waits again from the
// end of the line.
//
// If ctx is done first, Campaign returns an error that wraps context.Cause(ctx) and
// deletes its node in the background.
//
// Campaign takes one round trip if there is no other candidate.
func (e *Election) Campaign(ctx context.Context) (*Term, error) {
	if e.argErr != nil {
		return nil, e.argErr
	}
	acquired, err := e.contest.acquire(ctx, encode(e.id, e.data, false))
	if err != nil {
		return nil, err
	}
	return &Term{l: lease.Begin(ctx, acquired, e.behavior), id: e.id}, nil
}

// TryCampaign is like Campaign, but returns ErrOtherLeader instead of waiting. The error
// names the leader by its id and its node: "another candidate leads: web-3:4121 (/boss/…)".
// If no session owns the node that Campaign would wait for, the error wraps session.ErrNoOwner
// as well.
//
// A call that returns ErrOtherLeader takes a second round trip.
func (e *Election) TryCampaign(ctx context.Context) (*Term, error) {
	if e.argErr != nil {
		return nil, e.argErr
	}
	acquired, taken, err := e.contest.tryAcquire(ctx, encode(e.id, e.data, false))
	switch {
	case err != nil:
		return nil, err
	case taken != nil:
		return nil, taken.Wrap(ErrOtherLeader, []byte(lease.RevokeData))
	}
	return &Term{l: lease.Begin(ctx, acquired, e.behavior), id: e.id}, nil
}

// Run campaigns and calls fn for each term. The context passed to fn is canceled when ctx
// is done and when the term is lost. In either case Run waits until fn has returned before
// it resigns or campaigns again.
//
// A request to step down does not end a term: fn can wait for Term.Revoked, and return.
//
// If fn returns while its term lasts, Run returns the result of fn, joined with a failed
// release. That fn resigns itself is not an error. If the term was lost, Run campaigns
// again, unless ctx is done: then it returns the result of fn, joined with the cause of
// ctx and the loss. If ctx is done before fn is called, or a campaign fails, Run returns
// an error that wraps context.Cause(ctx) or the reason.
func (e *Election) Run(ctx context.Context, fn func(context.Context, *Term) error) error {
	op := session.OpError{Package: "election", Op: "run", Path: e.path}
	if err := run.Check(op, fn == nil); err != nil {
		return err
	}
	for {
		t, err := e.Campaign(ctx)
		if err != nil {
			return err
		}
		err = run.While(ctx, op, t, fn)
		if !errors.Is(t.Err(), ErrLost) {
			return err
		}
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// Leader returns the leader, or ErrNoLeader if there is none. It takes a listing and a
// read. The leader may have changed by the time the caller uses the result.
func (e *Election) Leader(ctx context.Context) (Leader, error) {
	if e.argErr != nil {
		return Leader{}, e.argErr
	}
	return session.InEpoch(ctx, e.session, session.OpError{Package: "election", Op: "find the leader of", Path: e.path}, func(ep *session.Epoch) (Leader, error) {
		return e.leaderIn(ctx, ep)
	})
}

func (e *Election) leaderIn(ctx context.Context, ep *session.Epoch) (Leader, error) {
	deleted := ""
	for {
		path, err := e.contest.holder(ctx, ep)
		if err != nil {
			return Leader{}, err
		}
		if path == "" || path == deleted {
			return Leader{}, ErrNoLeader
		}
		nodes, err := ep.Nodes(ctx, path)
		if err != nil {
			return Leader{}, err
		}
		if n := nodes[0]; !errors.Is(n.Err, session.ErrNoNode) {
			return newLeader(n), n.Err
		}
		deleted = path // since the listing, so another node may lead by now
	}
}
