package naming

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/identity"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// Errors of slots, to decide by with errors.Is.
var (
	// ErrTaken says that TryAcquire found every number lent.
	ErrTaken = errors.New("naming: every slot is taken")
	// ErrLost is the cause of a slot's context when it ended without Release. It
	// wraps the reason.
	ErrLost = session.NewError("naming: slot lost", session.ErrLost)
	// ErrReleased is the cause of a slot's context after Release, and the result
	// of a second one.
	ErrReleased = errors.New("naming: slot released")
)

// Slots lends the numbers from 0 to n-1, each to one holder at a time, for as long
// as the holder's session lives. It holds no state, and one value may be used by
// many goroutines: each Acquire borrows a number of its own.
type Slots struct {
	argErr  error // of NewSlots: what every call returns
	session *session.Session
	path    string
	n       int
	options slotsOptions
	line    line.Line
}

// SlotsOption changes a set of slots.
type SlotsOption func(*slotsOptions)

type slotsOptions struct {
	id            string
	loseOnSuspend bool
	stopTime      time.Duration
}

// WithID labels the slots of this holder, for Holders and for people. The default
// is host:pid.
func WithID(id string) SlotsOption { return func(o *slotsOptions) { o.id = id } }

// WithLoseOnSuspend ends the hold on a slot as soon as the connection
// breaks, and not only at the session's deadline.
func WithLoseOnSuspend() SlotsOption { return func(o *slotsOptions) { o.loseOnSuspend = true } }

// WithStopTime ends the hold on a slot d before its deadline, so that the holder can
// finish stopping before the session can end on the server: from then on Context is
// done, and the node stays until Release is called or d has passed, also if the
// connection recovers in between, so that nobody else owns meanwhile. There is no
// such time if somebody removes the node, if a server ends the session, and when the
// session is closed: that ends ownership at once.
//
// The longest d is Session.MaxStopTime, about a third of the session timeout that
// the server has granted; a longer one is refused with session.ErrInvalid. Outages
// of a quarter of the timeout are survived all the same, for which the session
// proves itself up to four times as often. After a rest, a first number takes a
// quarter of the timeout longer; see session.WithSteadyProofs.
func WithStopTime(d time.Duration) SlotsOption { return func(o *slotsOptions) { o.stopTime = d } }

// NewSlots names the n slots at path. Nothing is sent. All who use the path should
// agree on n: those with a smaller one take from the lower numbers. It panics
// unless n is positive.
func NewSlots(s *session.Session, path string, n int, opts ...SlotsOption) *Slots {
	o := slotsOptions{id: identity.Default()}
	for _, opt := range opts {
		opt(&o)
	}
	return &Slots{
		argErr:  args.Check("naming", s, path, args.AtLeast(1, "the number of slots", n)),
		session: s, path: path, n: n, options: o,
		line: line.Line{Package: "naming", Session: s, Path: session.Join(path, waitingNode), Layout: line.CuratorLock, Data: []byte(o.id), StopTime: o.stopTime},
	}
}

// waitingNode is where those stand in line who wait for a number.
const waitingNode = "waiting"

// Slot is a number that is held until Context is done.
type Slot struct {
	Number int
	l      *lease.Lease
}

// Context is done when the number is not held any more: at its loss or after
// Release. context.Cause says which, with ErrLost or ErrReleased. The loss is told
// before anybody else can be lent the number.
func (s *Slot) Context() context.Context { return s.l.Context() }

// Err is nil while the number is held. After that it is ErrReleased, or ErrLost
// wrapping the reason.
func (s *Slot) Err() error { return s.l.Err() }

// Deadline returns the moment by which everything that works under the number must
// have stopped: the session certainly lives on the servers until then. changed is
// closed when a later proof has moved it. Once ownership has ended, the deadline is
// the moment of its end, and changed is nil.
func (s *Slot) Deadline() (deadline time.Time, changed <-chan struct{}) { return s.l.Deadline() }

// Token grows from one holder of the number to the next. Store it with what must
// not be overwritten by a former holder.
func (s *Slot) Token() session.Zxid { return s.l.Token() }

// Guards make a transaction fail with session.ErrNoNode or session.ErrBadVersion unless
// the number is held; Txn is simpler. The name of the node is used again, so they do
// not help if somebody deletes the node by hand and another holder takes the number
// before the loss is noticed.
func (s *Slot) Guards() []session.Op { return s.l.Guards() }

// Verify has the ensemble confirm that the number is held, in one round trip through
// its leader. If it is not, the error is that of Err.
func (s *Slot) Verify(ctx context.Context) error { return s.l.Verify(ctx) }

// Txn carries out ops in a transaction that fails with ErrLost unless the number is held.
// It returns the results of ops only. If the servers refuse one of ops, the error is
// theirs and the ownership goes on.
//
// It takes one round trip. If ctx or the ZooKeeper session ends before the outcome is
// known, the error is session.ErrUnknown.
func (s *Slot) Txn(ctx context.Context, ops ...session.Op) ([]session.Result, error) {
	return s.l.Txn(ctx, ops...)
}

// Path is the holder's node.
func (s *Slot) Path() string { return s.l.Path() }

// SessionID is the id of the ZooKeeper session that holds the number.
func (s *Slot) SessionID() int64 { return s.l.Session() }

// Release gives the number back. It ends the hold at once, and the node is removed
// in any case; ctx bounds only the wait for that. After the hold has ended it
// returns the error of Err.
func (s *Slot) Release(ctx context.Context) error { return s.l.Release(ctx) }

// Acquire waits until a number is free and returns the smallest. Who came first is
// served first. When ctx ends, nothing of the call is left.
//
// While numbers are free, it takes two round trips, a list and the creation of the
// number's node. Otherwise it stands in a line at path/waiting, as lock.Mutex does,
// and only the first in line looks for a number, so that one that becomes free wakes
// one who waits. It reads the stat of each number's node once: if no session owns one,
// the wait is reported as session.Hooks.Blocked says, and its error wraps
// session.ErrNoOwner.
func (p *Slots) Acquire(ctx context.Context) (*Slot, error) {
	slot, err := p.tryFree(ctx, false)
	for slot == nil && err == nil {
		slot, err = p.wait(ctx)
	}
	return slot, err
}

// TryAcquire is Acquire, but returns ErrTaken where it would have to wait: when no
// number is free but those that others wait for in line, who are about to take them.
// Before that it takes a sync and another list.
func (p *Slots) TryAcquire(ctx context.Context) (*Slot, error) {
	slot, err := p.tryFree(ctx, true)
	if slot == nil && err == nil {
		err = ErrTaken
	}
	return slot, err
}

func (p *Slots) behavior() lease.Behavior {
	return lease.Behavior{Lost: ErrLost, Released: ErrReleased, LoseOnSuspend: p.options.loseOnSuspend, StopTime: p.options.stopTime}
}

// tryFree takes a number that nobody waits for. It returns nil if there is none; if
// sure is true, the server has caught up by then with what others have given back.
func (p *Slots) tryFree(ctx context.Context, sure bool) (*Slot, error) {
	if p.argErr != nil {
		return nil, p.argErr
	}
	return session.InEpoch(ctx, p.session, session.OpError{Package: "naming", Op: "acquire a slot at", Path: p.path}, func(e *session.Epoch) (*Slot, error) {
		slot, err := p.tryFreeIn(ctx, e)
		if slot == nil && err == nil && sure {
			if err = e.Sync(ctx, p.path); err == nil {
				slot, err = p.tryFreeIn(ctx, e)
			}
		}
		return slot, err
	})
}

func (p *Slots) tryFreeIn(ctx context.Context, e *session.Epoch) (*Slot, error) {
	names, err := e.Children(ctx, p.path)
	if err != nil && !errors.Is(err, session.ErrNoNode) {
		return nil, err
	}
	free := p.free(names)
	if len(free) > 0 && slices.Contains(names, waitingNode) {
		waiting, err := p.line.Nodes(ctx)
		if err != nil {
			return nil, err
		}
		free = free[min(len(waiting), len(free)):] // who waits takes the smaller ones
	}
	return p.create(ctx, e, free)
}

// wait stands in line until a number is free. It returns nil if it has lost its
// place.
func (p *Slots) wait(ctx context.Context) (*Slot, error) {
	c, err := p.line.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	turn := lease.Begin(ctx, c, p.behavior())
	slot, err := p.acquireFree(ctx, turn)
	if slot == nil && turn.Err() != nil && ctx.Err() == nil {
		err = nil
	}
	leave(turn)
	return slot, err
}

// leave gives a turn back without waiting for the server.
func leave(turn *lease.Lease) {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	turn.Release(now)
}

// acquireFree takes the first number that is free, or waits for one. It is called by the
// first in line alone.
func (p *Slots) acquireFree(ctx context.Context, turn *lease.Lease) (*Slot, error) {
	e := turn.Epoch()
	var blockers lease.Blockers
	for {
		names, _, w, err := e.WatchChildren(ctx, p.path)
		if err != nil {
			return nil, err
		}
		slot, err := p.create(ctx, e, p.free(names))
		if slot != nil || err != nil {
			w.Close()
			return slot, err
		}
		blocked, err := blockers.Check(ctx, e, p.taken(names)...)
		if err != nil {
			w.Close()
			return nil, err
		}
		select {
		case <-w.Fired():
			continue
		case <-turn.Context().Done():
			err = turn.Err()
		case <-ctx.Done():
			err = &session.OpError{Package: "naming", Op: "wait for a slot at", Path: p.path, Err: lease.WithReason(ctx, blocked)}
		}
		w.Close()
		return nil, err
	}
}

// create creates the node of one of the numbers, which others may just be taking
// without standing in line. It returns nil if all of them were.
func (p *Slots) create(ctx context.Context, e *session.Epoch, numbers []int) (*Slot, error) {
	if err := e.CheckStopTime(p.path, p.options.stopTime); err != nil {
		return nil, err
	}
	for _, k := range numbers {
		path := session.Join(p.path, strconv.Itoa(k))
		_, st, err := e.Create(ctx, path, []byte(p.options.id), session.Ephemeral(), session.Parents())
		if errors.Is(err, session.ErrNodeExists) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c, err := lease.AwaitProof(ctx, lease.Acquired{Package: "naming", Epoch: e, Path: path, Token: st.Czxid, Version: st.Version}, p.options.stopTime)
		if err != nil {
			return nil, err
		}
		return &Slot{k, lease.Begin(ctx, c, p.behavior())}, nil
	}
	return nil, nil
}

// number is that of a child's name; ok is false for children that are no slot.
func number(name string) (k int, ok bool) {
	k, err := strconv.Atoi(name)
	return k, err == nil && k >= 0 && strconv.Itoa(k) == name
}

// free are the numbers that none of the children stands for.
func (p *Slots) free(names []string) []int {
	taken := make(map[int]bool)
	for _, name := range names {
		if k, ok := number(name); ok {
			taken[k] = true
		}
	}
	var free []int
	for k := range p.n {
		if !taken[k] {
			free = append(free, k)
		}
	}
	return free
}

// taken are the nodes of the numbers that this set of slots may lend.
func (p *Slots) taken(names []string) (paths []string) {
	for _, name := range names {
		if k, ok := number(name); ok && k < p.n {
			paths = append(paths, session.Join(p.path, name))
		}
	}
	return paths
}

// Holder is one who holds a number.
type Holder struct {
	Number  int
	ID      string       // as given WithID; another program's may be anything
	Token   session.Zxid // as the slot's
	Session int64        // the ZooKeeper session that holds it, 0 if the node is not ephemeral
}

// Holders returns who holds which number, in the order of the numbers. It takes two
// round trips, a list and a read of every node.
func (p *Slots) Holders(ctx context.Context) ([]Holder, error) {
	if p.argErr != nil {
		return nil, p.argErr
	}
	return session.InEpoch(ctx, p.session, session.OpError{Package: "naming", Op: "list", Path: p.path}, func(e *session.Epoch) ([]Holder, error) { return p.holdersIn(ctx, e) })
}

func (p *Slots) holdersIn(ctx context.Context, e *session.Epoch) ([]Holder, error) {
	names, err := e.Children(ctx, p.path)
	if errors.Is(err, session.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var paths []string
	var numbers []int
	for _, name := range names {
		if k, ok := number(name); ok {
			paths, numbers = append(paths, session.Join(p.path, name)), append(numbers, k)
		}
	}
	nodes, err := e.Nodes(ctx, paths...)
	if err != nil {
		return nil, err
	}
	var holders []Holder
	for i, n := range nodes {
		switch {
		case errors.Is(n.Err, session.ErrNoNode):
		case n.Err != nil:
			return nil, n.Err
		default:
			holders = append(holders, Holder{numbers[i], string(n.Data), n.Stat.Czxid, n.Stat.Owner()})
		}
	}
	slices.SortFunc(holders, func(a, b Holder) int { return a.Number - b.Number })
	return holders, nil
}

// String names the number and its holder, for people.
func (h Holder) String() string { return fmt.Sprintf("%d: %s", h.Number, h.ID) }
