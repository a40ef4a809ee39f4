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
	"github.com/zkrecipes/zkrecipes/internal/recipe/run"
	"github.com/zkrecipes/zkrecipes/session"
)

// Errors of slots that callers test for with errors.Is.
var (
	// ErrTaken is returned by TryAcquire if no number is free.
	ErrTaken = errors.New("naming: every slot is taken")
	// ErrLost is the cause of a slot's context if the slot ended without Release. It
	// wraps the reason.
	ErrLost = session.NewError("naming: slot lost", session.ErrLost)
	// ErrReleased is the cause of a slot's context after Release, and the error of a
	// second Release.
	ErrReleased = errors.New("naming: slot released")
)

// Slots assigns the numbers from 0 to n-1, each to one holder at a time, for as long
// as the holder's ZooKeeper session lives. It holds no state, so one value may be used
// by many goroutines; each Acquire gets a separate number.
type Slots struct {
	argErr  error // of NewSlots; every call returns it
	session *session.Session
	path    string
	n       int
	options slotsOptions
	line    line.Line
}

// SlotsOption configures a set of slots.
type SlotsOption func(*slotsOptions)

type slotsOptions struct {
	id            string
	loseOnSuspend bool
	stopTime      time.Duration
}

// WithID labels the slots of this holder, for Holders and for operators. The default
// is host:pid.
func WithID(id string) SlotsOption { return func(o *slotsOptions) { o.id = id } }

// WithLoseOnSuspend ends a slot as soon as the connection breaks, and not only at the
// session's deadline.
func WithLoseOnSuspend() SlotsOption { return func(o *slotsOptions) { o.loseOnSuspend = true } }

// WithStopTime ends a slot d before its deadline, so that the holder can stop before
// the session can end on the server. From then on Context is done. The node stays
// until Release is called or d has passed, also if the connection recovers in the
// meantime, so that no other client gets the number during that time. If a client
// deletes the node, a server ends the session, or the session is closed, the slot ends
// immediately, without a stop time.
//
// The longest d is Session.MaxStopTime, about a third of the session timeout that the
// server has granted; a longer one is refused with session.ErrInvalid. Outages of a
// quarter of the timeout are still survived; for that the session sends up to four
// times as many proofs. After the session was idle, a first slot takes a quarter of
// the timeout longer; see session.WithSteadyProofs.
func WithStopTime(d time.Duration) SlotsOption { return func(o *slotsOptions) { o.stopTime = d } }

// NewSlots returns the n slots at path. It sends nothing. All clients of the path
// should agree on n: a client with a smaller n acquires only the lower numbers. If n
// is not positive, calls return session.ErrInvalid.
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

// waitingNode is the parent of the line of waiters.
const waitingNode = "waiting"

// Slot is a number that is held until its Context is done.
type Slot struct {
	Number int
	l      *lease.Lease
}

// Context is done when the number is not held any more: after its loss or Release.
// context.Cause returns ErrLost or ErrReleased. After a loss the context is done
// before another holder can get the number.
func (s *Slot) Context() context.Context { return s.l.Context() }

// Err returns nil while the number is held. After that it returns ErrReleased, or
// ErrLost wrapping the reason.
func (s *Slot) Err() error { return s.l.Err() }

// Deadline returns the moment by which all work under the number must have stopped:
// until then the ZooKeeper session is certainly alive on the servers. changed is
// closed when a later proof has moved the deadline. Once ownership has ended, the
// deadline is the moment of its end, and changed is nil.
func (s *Slot) Deadline() (deadline time.Time, changed <-chan struct{}) { return s.l.Deadline() }

// Token returns the fencing token, which grows from one holder of the number to the
// next. Store it with data that a former holder must not overwrite.
func (s *Slot) Token() session.Zxid { return s.l.Token() }

// Guards returns operations that make a transaction fail with session.ErrNoNode or
// session.ErrBadVersion unless the number is held. Txn is simpler. The node's name is
// reused, so guards do not help if the node is deleted by hand and another holder gets
// the number before the loss is noticed.
func (s *Slot) Guards() []session.Op { return s.l.Guards() }

// Verify confirms with the ensemble that the number is held, in one round trip through
// the leader. If it is not held, the error is that of Err.
func (s *Slot) Verify(ctx context.Context) error { return s.l.Verify(ctx) }

// Txn carries out ops in a transaction that fails with ErrLost unless the number is
// held. It returns the results of ops only. If the servers refuse one of ops, Txn
// returns their error and the ownership continues.
//
// It takes one round trip. If ctx or the ZooKeeper session ends before the outcome is
// known, the error is session.ErrUnknown.
func (s *Slot) Txn(ctx context.Context, ops ...session.Op) ([]session.Result, error) {
	return s.l.Txn(ctx, ops...)
}

// Path returns the path of the holder's node.
func (s *Slot) Path() string { return s.l.Path() }

// SessionID returns the id of the ZooKeeper session that holds the number.
func (s *Slot) SessionID() int64 { return s.l.Session() }

// Release gives the number back. Ownership ends immediately, and the node is deleted
// in every case; ctx bounds only the wait for the deletion. After ownership has ended,
// Release returns the error of Err.
func (s *Slot) Release(ctx context.Context) error { return s.l.Release(ctx) }

// Acquire blocks until a number is free and returns the smallest free one. Waiters are
// served in the order of their arrival. If ctx is done first, Acquire leaves nothing
// behind.
//
// While numbers are free, Acquire takes two round trips, a list and the creation of
// the number's node. Otherwise it waits in a line at path/waiting, as lock.Mutex does.
// Only the first in line looks for a number, so a number that becomes free wakes one
// waiter. Acquire reads the stat of each number's node once. If no session owns one of
// them, the wait is reported to session.Hooks.Blocked, and its error wraps
// session.ErrNoOwner.
func (p *Slots) Acquire(ctx context.Context) (*Slot, error) {
	slot, err := p.tryFree(ctx, nil)
	for slot == nil && err == nil {
		slot, err = p.wait(ctx)
	}
	return slot, err
}

// TryAcquire is Acquire, but returns ErrTaken where Acquire would wait: if no number
// is free, or only as many as there are waiters in line, who will take them. Before it
// returns ErrTaken it takes a sync and another list.
func (p *Slots) TryAcquire(ctx context.Context) (*Slot, error) {
	var full full
	slot, err := p.tryFree(ctx, &full)
	if slot == nil && err == nil {
		err = &session.OpError{Package: "naming", Op: "acquire a slot at", Path: p.path, Err: full}
	}
	return slot, err
}

// Do acquires a number, calls fn and releases the number. The context passed to fn is
// canceled when ctx is done and when the number is lost. In either case Do waits until
// fn has returned before it releases the number.
//
// If ctx is done before fn is called, the error wraps context.Cause(ctx). Otherwise Do
// returns the result of fn, joined with a loss or a failed release. If fn releases the
// number itself, that is not an error.
func (p *Slots) Do(ctx context.Context, fn func(context.Context, *Slot) error) error {
	return run.Do(ctx, session.OpError{Package: "naming", Op: "do", Path: p.path}, p.Acquire, fn)
}

// full is the ErrTaken of TryAcquire.
type full struct{ taken, n, waiting int }

func (e full) Error() string {
	text := fmt.Sprintf("%v: %d of %d are held", ErrTaken, e.taken, e.n)
	if e.waiting > 0 {
		text += fmt.Sprintf(", %d wait", e.waiting)
	}
	return text
}

func (full) Unwrap() error { return ErrTaken }

func (p *Slots) behavior() lease.Behavior {
	return lease.Behavior{Lost: ErrLost, Released: ErrReleased, LoseOnSuspend: p.options.loseOnSuspend, StopTime: p.options.stopTime}
}

// tryFree takes a free number that no waiter will take. It returns nil if there is
// none. If why is not nil, it looks again after a sync, so that it sees all numbers that
// were released before, and sets why.
func (p *Slots) tryFree(ctx context.Context, why *full) (*Slot, error) {
	if p.argErr != nil {
		return nil, p.argErr
	}
	return session.InEpoch(ctx, p.session, session.OpError{Package: "naming", Op: "acquire a slot at", Path: p.path}, func(e *session.Epoch) (*Slot, error) {
		slot, _, err := p.tryFreeIn(ctx, e)
		if slot == nil && err == nil && why != nil {
			if err = e.Sync(ctx, p.path); err == nil {
				slot, *why, err = p.tryFreeIn(ctx, e)
			}
		}
		return slot, err
	})
}

func (p *Slots) tryFreeIn(ctx context.Context, e *session.Epoch) (slot *Slot, why full, err error) {
	names, err := e.Children(ctx, p.path)
	if err != nil && !errors.Is(err, session.ErrNoNode) {
		return nil, why, err
	}
	free := p.free(names)
	why = full{taken: p.n - len(free), n: p.n}
	if len(free) > 0 && slices.Contains(names, waitingNode) {
		waiting, err := p.line.Nodes(ctx)
		if err != nil {
			return nil, why, err
		}
		why.waiting = len(waiting)
		free = free[min(len(waiting), len(free)):] // waiters take the smaller ones
	}
	slot, err = p.create(ctx, e, free)
	return slot, why, err
}

// wait joins the line, waits until it is first, and takes a free number. It returns
// nil if it has lost its node in the line.
func (p *Slots) wait(ctx context.Context) (*Slot, error) {
	acquired, err := p.line.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	lineLease := lease.Begin(ctx, acquired, p.behavior())
	slot, err := p.acquireFree(ctx, lineLease)
	if slot == nil && lineLease.Err() != nil && ctx.Err() == nil {
		err = nil
	}
	leaveLine(lineLease)
	return slot, err
}

// leaveLine leaves the line without waiting for the server.
func leaveLine(lineLease *lease.Lease) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	lineLease.Release(ended)
}

// acquireFree takes the first number that is free, or waits for one. Only the first in
// line calls it.
func (p *Slots) acquireFree(ctx context.Context, lineLease *lease.Lease) (*Slot, error) {
	e := lineLease.Epoch()
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
		case <-lineLease.Context().Done():
			err = lineLease.Err()
		case <-ctx.Done():
			err = &session.OpError{Package: "naming", Op: "wait for a slot at", Path: p.path, Err: lease.WithReason(ctx, blocked)}
		}
		w.Close()
		return nil, err
	}
}

// create creates the node of one of the numbers. Clients that did not join the line
// may take them at the same time. It returns nil if all were taken.
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
		acquired, err := lease.AwaitProof(ctx, lease.Acquired{Package: "naming", Epoch: e, Path: path, Token: st.Czxid, Version: st.Version}, p.options.stopTime)
		if err != nil {
			return nil, err
		}
		return &Slot{k, lease.Begin(ctx, acquired, p.behavior())}, nil
	}
	return nil, nil
}

// number returns the number of a child's name. ok is false if the child is not a slot.
func number(name string) (k int, ok bool) {
	k, err := strconv.Atoi(name)
	return k, err == nil && k >= 0 && strconv.Itoa(k) == name
}

// free returns the numbers for which there is no child.
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

// taken returns the nodes of the numbers below n that are held.
func (p *Slots) taken(names []string) (paths []string) {
	for _, name := range names {
		if k, ok := number(name); ok && k < p.n {
			paths = append(paths, session.Join(p.path, name))
		}
	}
	return paths
}

// Holder describes the holder of a number.
type Holder struct {
	Number  int
	ID      string       // see WithID; any text if another program created the node
	Token   session.Zxid // see Slot.Token
	Session int64        // the ZooKeeper session that holds the number; 0 if the node is not ephemeral
}

// Holders returns the holders in the order of their numbers. It takes two round trips,
// a list and a read of every node.
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

// String returns the number and the holder's id, for operators.
func (h Holder) String() string { return fmt.Sprintf("%d: %s", h.Number, h.ID) }
