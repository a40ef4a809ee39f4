package session

import (
	"context"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/conn"
)

// Epoch is the life of one ZooKeeper session under a Session. Ownership through an
// ephemeral node belongs to one epoch: it is lost when the epoch ends, and the next
// epoch does not restore it.
//
// An epoch ends when a server reports that the ZooKeeper session has expired, when
// the session's own clock has passed the deadline, or at Session.Close. From then on
// the methods of the Epoch fail with ErrExpired or ErrClosed.
type Epoch struct {
	session *Session
	number  uint64
	conn    *conn.Conn
	ctx     context.Context // of conn

	receipts receipts
}

// Number returns the number of the epoch; the first epoch of a Session has number 1.
func (e *Epoch) Number() uint64 { return e.number }

// ID returns the id of the ZooKeeper session, or 0 before the first connection.
func (e *Epoch) ID() int64 { return e.conn.ID() }

// Context is done when the epoch has ended. Its cause wraps ErrExpired or
// ErrClosed.
func (e *Epoch) Context() context.Context { return e.ctx }

// Err returns nil while the epoch lasts, and the cause of Context after that. It
// reads the clock, so that it is right even if the process was suspended and its
// timers are late.
func (e *Epoch) Err() error { return e.conn.Err() }

// Go runs f in a goroutine that Session.Close waits for. f may outlast the epoch, but
// it must return when the session is being closed, which ends every epoch and every
// wait for one. If the session is already being closed, Go does not run f and returns
// false.
func (e *Epoch) Go(f func()) bool { return e.session.spawn(f) }

// Session returns the session that e belongs to.
func (e *Epoch) Session() *Session { return e.session }

// Suspended returns a channel that is closed when the present connection breaks. If
// there is no connection, the channel is already closed.
func (e *Epoch) Suspended() <-chan struct{} { return e.conn.Suspended() }

// KeepProving makes the session send a proof through the leader every quarter of its
// timeout, until release is called. If the proofs are not confirmed in time, the
// epoch ends (see Deadline). Only recipes need it.
//
// Call it before something is owned, and release after ownership has ended. A caller
// that waits to own something calls it too, so that ownership can begin without
// another round trip.
//
// KeepProving takes one round trip if the session has sent no proof lately, and none
// otherwise. While earlier proofs are overdue, it blocks until one is confirmed, ctx
// is done or the epoch has ended.
func (e *Epoch) KeepProving(ctx context.Context) (release func(), err error) {
	return e.conn.KeepProving(ctx)
}

// Deadline returns the moment, by the local clock, until which the servers certainly keep
// the ZooKeeper session, and a channel that is closed when that moment has moved. All
// work under an ownership in this epoch must have stopped by then.
//
// While no call of KeepProving is in effect, the deadline is zero. After the end of the
// epoch it is the moment at which ownership ended: the end of the epoch, or the deadline
// if that had passed before. It is zero if no call of KeepProving was in effect then.
func (e *Epoch) Deadline() (deadline time.Time, changed <-chan struct{}) { return e.conn.Deadline() }
