package election

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/identity"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// Errors to decide by, with errors.Is.
var (
	// ErrNoLeader says that nobody leads.
	ErrNoLeader = errors.New("election: no leader")
	// ErrOtherLeader says that TryCampaign would have to wait.
	ErrOtherLeader = errors.New("election: another candidate leads")
	// ErrLost is the cause of a term's context when it ended without Resign. It
	// wraps the reason.
	ErrLost = session.NewError("election: leadership lost", session.ErrLost)
	// ErrResigned is the cause of a term's context after Resign, and the result
	// of a second one.
	ErrResigned = errors.New("election: resigned")
	// ErrInvalidID says that an id cannot be told from the data behind it.
	ErrInvalidID = session.NewError("election: an id must not be empty or contain a newline", session.ErrInvalid)
)

// Election names an election. It holds no state, so one value may be used by
// many goroutines; each campaign is a candidate of its own.
type Election struct {
	session  *session.Session
	path     string
	contest  contest
	id       string
	data     []byte
	behavior lease.Behavior
	argErr   error // of New: what every call returns
}

// New names the election at path. Nothing is sent.
func New(s *session.Session, path string, opts ...Option) *Election {
	o := options{id: identity.Default()}
	for _, opt := range opts {
		opt(&o)
	}
	e := &Election{
		session: s, path: path, id: o.id, data: o.data,
		behavior: lease.Behavior{Lost: ErrLost, Released: ErrResigned, LoseOnSuspend: o.loseOnSuspend, StopTime: o.stopTime},
	}
	e.argErr = args.Check("election", s, path, checkID(o.id))
	if o.fixed != nil {
		e.contest = &fixedContest{s, path, session.Join(path, *o.fixed), o.stopTime}
	} else {
		e.contest = &lineContest{line.Line{Package: "election", Session: s, Path: path, Layout: line.CuratorLatch, StopTime: o.stopTime, Err: e.argErr}}
	}
	return e
}

// Option changes an election.
type Option func(*options)

type options struct {
	id            string
	data          []byte
	loseOnSuspend bool
	stopTime      time.Duration
	fixed         *string
}

// WithID names this candidate; it is what Leader and Observe tell others. The
// default is host:pid. It must not be empty or contain a newline.
func WithID(id string) Option { return func(o *options) { o.id = id } }

// WithData publishes data beside the id while leading: an address, say. See
// Term.Proclaim.
func WithData(data []byte) Option { return func(o *options) { o.data = bytes.Clone(data) } }

// WithLoseOnSuspend ends a term as soon as the connection breaks, and
// not only at the session's deadline.
func WithLoseOnSuspend() Option { return func(o *options) { o.loseOnSuspend = true } }

// WithStopTime ends a term d before its deadline, so that the holder can
// finish stopping before the session can end on the server: from then on Context is
// done, and the node stays until Resign is called or d has passed, also if the
// connection recovers in between, so that nobody else owns meanwhile. There is no
// such time if somebody removes the node, if a server ends the session, and when the
// session is closed: that ends ownership at once.
//
// The longest d is Session.MaxStopTime, about a third of the session timeout that
// the server has granted; a longer one is refused with session.ErrInvalid. Outages
// of a quarter of the timeout are survived all the same, for which the session
// proves itself up to four times as often. After a rest, a first term takes a
// quarter of the timeout longer; see session.WithSteadyProofs.
func WithStopTime(d time.Duration) Option { return func(o *options) { o.stopTime = d } }

// WithFixedNode elects by one ephemeral node of this name below the path, which
// whoever creates it leads. All candidates try again when it goes, so it suits
// few of them, and there is no order among those who wait. It is for living with
// programs that do just that. All candidates of an election must choose the same.
func WithFixedNode(name string) Option { return func(o *options) { o.fixed = &name } }

// Leader is who leads.
type Leader struct {
	ID    string
	Data  []byte       // published beside the id; nil if nothing was
	Token session.Zxid // of the term; 0 when nobody leads
	// Session is the ZooKeeper session that owns the leader's node. It is 0 if none
	// does, although there is a node: then nobody leads until somebody removes it.
	Session int64
}

// contest is what candidates contend for, in one form or the other.
type contest interface {
	// enter waits until the seat is taken by a node that holds data.
	acquire(ctx context.Context, data []byte) (lease.Acquired, error)
	// try takes the seat if it is free. If it is not, ok is false, and blocked says
	// whether the node that has it is one that no session owns.
	tryAcquire(ctx context.Context, data []byte) (c lease.Acquired, ok bool, blocked, err error)
	// holder returns the leader's node; "" if there is none.
	holder(ctx context.Context, e *session.Epoch) (string, error)
	// vacant watches for a node to come. It returns nil if there is one already.
	watchVacant(ctx context.Context, e *session.Epoch) (*session.Watch, error)
}

// Campaign waits until this candidate leads. When ctx ends first, it returns its
// cause in an error and leaves no node behind, if need be by removing it in the
// background. A wait survives reconnects in its place in line, and the end of a
// session at the end of the line.
//
// Where nobody stands in line, it takes one round trip.
func (e *Election) Campaign(ctx context.Context) (*Term, error) {
	if e.argErr != nil {
		return nil, e.argErr
	}
	c, err := e.contest.acquire(ctx, encode(e.id, e.data))
	if err != nil {
		return nil, err
	}
	return &Term{l: lease.Begin(ctx, c, e.behavior), id: e.id}, nil
}

// TryCampaign is Campaign, but returns ErrOtherLeader where Campaign would wait. If no
// session owns the node that it would wait for, the error wraps session.ErrNoOwner as
// well. It costs a second round trip then.
func (e *Election) TryCampaign(ctx context.Context) (*Term, error) {
	if e.argErr != nil {
		return nil, e.argErr
	}
	c, ok, blocked, err := e.contest.tryAcquire(ctx, encode(e.id, e.data))
	switch {
	case err != nil:
		return nil, err
	case !ok && blocked != nil:
		return nil, fmt.Errorf("%w: %w", ErrOtherLeader, blocked)
	case !ok:
		return nil, ErrOtherLeader
	}
	return &Term{l: lease.Begin(ctx, c, e.behavior), id: e.id}, nil
}

// Run campaigns and calls fn for each term. The context that fn is given ends
// when ctx does and when the term is lost; Run waits for fn in either case before
// it resigns or campaigns again. It returns fn's result when fn has returned while
// still leading, and otherwise goes on until ctx ends.
func (e *Election) Run(ctx context.Context, fn func(context.Context, *Term) error) error {
	if err := args.NotNil("the function", fn == nil); err != nil {
		return &session.OpError{Package: "election", Op: "run", Path: e.path, Err: err}
	}
	for {
		t, err := e.Campaign(ctx)
		if err != nil {
			return err
		}
		lost, err := t.run(ctx, fn)
		if !lost {
			return err
		}
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// Leader returns who leads, or ErrNoLeader. It takes a list and a read; what it
// returns may be over by the time it is looked at.
func (e *Election) Leader(ctx context.Context) (Leader, error) {
	if e.argErr != nil {
		return Leader{}, e.argErr
	}
	return session.InEpoch(ctx, e.session, session.OpError{Package: "election", Op: "find the leader of", Path: e.path}, func(ep *session.Epoch) (Leader, error) {
		return e.leaderIn(ctx, ep)
	})
}

func (e *Election) leaderIn(ctx context.Context, ep *session.Epoch) (Leader, error) {
	gone := ""
	for {
		path, err := e.contest.holder(ctx, ep)
		if err != nil {
			return Leader{}, err
		}
		if path == "" || path == gone {
			return Leader{}, ErrNoLeader
		}
		nodes, err := ep.Nodes(ctx, path)
		if err != nil {
			return Leader{}, err
		}
		if n := nodes[0]; !errors.Is(n.Err, session.ErrNoNode) {
			return decode(n), n.Err
		}
		gone = path // just now, perhaps, and there may be another
	}
}

// The leader's node holds the id, as LeaderLatch's does, and behind a newline
// what else is published.

func checkID(id string) error {
	if id == "" || strings.Contains(id, "\n") {
		return ErrInvalidID
	}
	return nil
}

// encode returns the data of a candidate's node, which begins with the id.
func encode(id string, data []byte) []byte {
	if data == nil {
		return []byte(id)
	}
	return append([]byte(id+"\n"), data...)
}

func decode(n session.Node) Leader {
	id, data, ok := bytes.Cut(n.Data, []byte{'\n'})
	if !ok {
		data = nil
	}
	return Leader{ID: string(id), Data: data, Token: n.Stat.Czxid, Session: n.Stat.Owner()}
}
