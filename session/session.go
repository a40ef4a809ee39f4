package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/conn"
	"github.com/zkrecipes/zkrecipes/internal/client/keyed"
)

// Session is the connection of a process to an ensemble. Share one per process and
// ensemble. It is safe for concurrent use.
//
// A Session reconnects with backoff. It resumes its ZooKeeper session while that
// lives, and after an expiry opens a new one, in the next epoch.
type Session struct {
	opts      *options
	root      chroot
	statuses  *statusHistory
	connector *conn.Connector // its goroutines are all of the session except the observer
	creates   keyed.Mutex     // see Epoch.Create
	local     localStates

	reportedOwnerless sync.Map // the czxid of the node that Epoch.Blocked reported last, by path

	observer sync.WaitGroup // the goroutine of Hooks.State, which ends after Closed

	mu       sync.Mutex
	epoch    *Epoch
	renewed  chan struct{} // closed when epoch is replaced and when closing is set
	closing  bool
	failures failures      // of the servers that were tried since the last success
	closed   chan struct{} // closed when Close is complete
}

// Connect dials the ensemble and returns when a ZooKeeper session exists. Give ctx a
// deadline: without one, Connect blocks until a server answers. ctx bounds only this
// call.
//
// connect is a ZooKeeper connect string, "host1:2181,[::1]:2181/chroot". Servers are
// tried in random order. If a host has several addresses, each is tried as a separate
// server. Hosts are looked up again whenever all servers have been tried.
//
// Connect fails immediately if an argument is bad, if none of the servers' host names
// exists, or if the servers refuse the credentials. Otherwise it retries until ctx is
// done. The error has the latest failure of each server that was tried:
//
//	session: connect zk1:2181: context deadline exceeded (zk1:2181: connection refused)
func Connect(ctx context.Context, connect string, opts ...Option) (*Session, error) {
	o, err := newOptions(opts)
	if err != nil {
		return nil, opError("connect", connect, err)
	}
	servers, root, err := parseConnect(connect)
	if err != nil {
		return nil, opError("connect", connect, err)
	}
	s := &Session{
		opts: o, root: root + chroot(o.root),
		statuses: newStatusHistory(Status{State: Connecting, Epoch: 1}),
		closed:   make(chan struct{}),
	}
	o.conn.Servers, o.conn.Root, o.conn.Interrupted = servers, string(s.root), s.interrupted
	s.connector = conn.NewConnector(o.conn)
	s.renew(1)
	if f := o.hooks.State; f != nil {
		s.observer.Go(func() {
			for st := range s.statuses.watch(context.Background()) {
				f(st)
			}
		})
	}
	s.connector.Go(s.run)
	if err := s.Ready(ctx); err != nil {
		s.Close(ctx)
		return nil, opError("connect", connect, err)
	}
	return s, nil
}

// run runs one epoch after the other until the session is closed.
func (s *Session) run() {
	for e := s.current(); e != nil; e = s.renew(e.number + 1) {
		e.conn.Start()
		<-e.ctx.Done()
		s.opts.conn.Log.Info("zookeeper: epoch ended", "epoch", e.number, "session", fmt.Sprintf("0x%x", e.ID()), "err", context.Cause(e.ctx))
		s.publish(e, "", context.Cause(e.ctx), false)
		e.conn.Retire()
	}
}

// renew starts an epoch. It returns nil when the session is being closed.
func (s *Session) renew(number uint64) *Epoch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil
	}
	e := &Epoch{session: s, number: number}
	e.conn = s.connector.NewConn(func(server string, reason error, permanent bool) { s.publish(e, server, reason, permanent) })
	e.ctx = e.conn.Context()
	s.epoch = e
	if s.renewed != nil {
		close(s.renewed)
		s.statuses.add(Status{State: Connecting, Epoch: number})
	}
	s.renewed = make(chan struct{})
	return e
}

func (s *Session) current() *Epoch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch
}

// publish adds the present status of e to the history. It derives the state from
// e.conn and not from its caller, so that concurrent calls in any order leave the
// correct status.
func (s *Session) publish(e *Epoch, server string, reason error, permanent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.statuses.current().Status
	if s.epoch != e || last.State == Closed || last.State == Lost && last.Epoch == e.number {
		return
	}
	st := s.describe(e)
	if st.State == Lost {
		if e.ctx.Err() == nil {
			return // run publishes the cause
		}
		reason = context.Cause(e.ctx)
	}
	st.Err, st.permanent = reason, permanent
	if st.Server == "" {
		st.Server = server
	}
	if reason != nil && st.State == Connecting {
		if s.failures == nil {
			s.failures = make(failures)
		}
		s.failures[server] = reason
	}
	if st.State == Connected {
		st.Err, st.permanent = nil, false
		clear(s.failures)
		if last.State == Connected && last.Epoch == st.Epoch && last.Server == st.Server {
			return
		}
	}
	s.statuses.add(st)
}

// describe returns the present status of e.
func (s *Session) describe(e *Epoch) Status {
	now := e.conn.State()
	st := Status{Epoch: e.number, ID: now.ID, Deadline: now.Deadline}
	switch {
	case now.Ended:
		st.State = Lost
	case now.Server != "":
		st.State, st.Server = Connected, now.Server
	case now.ID == 0:
		st.State = Connecting
	default:
		st.State = Suspended
	}
	return st
}

// Status returns the current status.
func (s *Session) Status() Status {
	st := s.statuses.current().Status
	if e := s.current(); e.number == st.Epoch && st.State != Lost && st.State != Closed {
		st.Deadline = s.describe(e).Deadline
	}
	return st
}

// Watch yields the current status and then every later one, in order and without a
// gap, until ctx is done or the session is closed. A slow reader does not delay the
// session or other readers.
func (s *Session) Watch(ctx context.Context) iter.Seq[Status] { return s.statuses.watch(ctx) }

// Changed returns a channel that is closed at the next change of the status. In a
// select loop call it before Status, so that no change is missed.
func (s *Session) Changed() <-chan struct{} { return s.statuses.current().passed }

// Ready blocks until the session is connected. It fails when ctx is done, when the
// session is closed, and when retries cannot help, for example because the servers
// refuse the credentials.
func (s *Session) Ready(ctx context.Context) error {
	for st := range s.statuses.watch(ctx) {
		switch {
		case st.State == Connected:
			return nil
		case st.State == Closed:
			return ErrClosed
		case st.permanent:
			return st.Err
		}
	}
	s.mu.Lock()
	failures := maps.Clone(s.failures)
	s.mu.Unlock()
	if len(failures) > 0 && s.Status().State == Connecting {
		return fmt.Errorf("%w (%w)", context.Cause(ctx), failures)
	}
	return s.interrupted(ctx)
}

// interrupted returns the error of a wait that ended because ctx is done. If there
// was no connection, the error says why.
func (s *Session) interrupted(ctx context.Context) error {
	err := context.Cause(ctx)
	if st := s.Status(); st.State != Connected {
		err = fmt.Errorf("%w (%v, not connected to ZooKeeper", err, st.State)
		if st.Err != nil {
			err = fmt.Errorf("%w: %w", err, st.Err)
		}
		err = fmt.Errorf("%w)", err)
	}
	return err
}

// Timeout returns the session timeout that the server granted. Before there is a
// ZooKeeper session, it is the timeout that is requested.
func (s *Session) Timeout() time.Duration { return s.current().conn.Timeout() }

// MaxBuffer returns the maximal size of a request in bytes; see WithMaxBuffer.
func (s *Session) MaxBuffer() int { return s.opts.conn.MaxBuffer }

// MaxPayload returns the maximal size in bytes of an encoded value that recipes
// accept: that of a request, less 16 KB for the rest of the request. The default is
// 1032192.
func (s *Session) MaxPayload() int { return s.opts.conn.MaxBuffer + 1 - 16<<10 }

// Epoch blocks until the session is connected and returns the current epoch.
func (s *Session) Epoch(ctx context.Context) (*Epoch, error) {
	if s == nil {
		return nil, fmt.Errorf("%w: the session is nil", ErrInvalid)
	}
	for {
		s.mu.Lock()
		e, renewed, closing := s.epoch, s.renewed, s.closing
		s.mu.Unlock()
		if closing {
			return nil, ErrClosed
		}
		if ctx.Err() != nil {
			// The cause may be an ErrExpired of another session. Epoch must not succeed
			// then, since callers that retry in each epoch would retry permanently.
			return nil, s.interrupted(ctx)
		}
		connected, attached := e.conn.Attached()
		if connected && e.ctx.Err() == nil {
			return e, nil
		}
		if connected {
			attached = nil // the epoch has ended
		}
		select {
		case <-attached:
		case <-renewed:
		case <-ctx.Done():
			return nil, s.interrupted(ctx)
		}
	}
}

// spawn runs f in a goroutine of the session. If the session is being closed, it
// does not run f and returns false.
func (s *Session) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.connector.Go(f)
	}
	return !s.closing
}

// InEpoch calls f with the current epoch as soon as the session is connected, and
// returns the results of f. Recipes use it for work that may continue in the next
// epoch: if the error of f wraps ErrExpired and not ErrUnknown, InEpoch calls f again
// in the next epoch. f must return such an error only if it had no effect that
// outlasts the epoch.
//
// If ctx is done or the session is closed before f can be called, InEpoch returns the
// reason, wrapped in a copy of op unless op.Op is empty. It sends nothing itself.
func InEpoch[T any](ctx context.Context, s *Session, op OpError, f func(*Epoch) (T, error)) (T, error) {
	for {
		e, err := s.Epoch(ctx)
		if err != nil {
			var zero T
			if op.Op != "" {
				op.Err = err
				err = &op
			}
			return zero, err
		}
		v, err := f(e)
		if !errors.Is(err, ErrExpired) || errors.Is(err, ErrUnknown) {
			return v, err
		}
	}
}

// inCurrentEpoch is InEpoch for an f that waits for the connection itself.
func inCurrentEpoch[T any](ctx context.Context, s *Session, f func(*Epoch) (T, error)) (T, error) {
	for {
		s.mu.Lock()
		e, renewed, closing := s.epoch, s.renewed, s.closing
		s.mu.Unlock()
		v, err := f(e)
		if err == nil || closing || !errors.Is(err, ErrExpired) || errors.Is(err, ErrUnknown) {
			return v, err
		}
		select {
		case <-renewed:
		case <-ctx.Done():
			return v, err
		}
	}
}

// Close ends every lease and then the ZooKeeper session, so that the servers delete
// its ephemeral nodes immediately.
//
// Close waits until a server has confirmed that, or until ctx is done or the session
// timeout has passed; then the servers expire the session by themselves. When Close
// returns, no goroutine of the session is left. A second call waits for the first.
func (s *Session) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closing
	if first {
		s.closing = true
		close(s.renewed) // ends all waits for the next epoch, also those of goroutines that Close waits for
	}
	e := s.epoch
	s.mu.Unlock()
	if first {
		go s.close(ctx, e)
	}
	select {
	case <-s.closed:
		return nil
	case <-ctx.Done():
		// The rest of close does not wait for servers.
		<-s.closed
		return opError("close", s.opts.conn.Servers[0], context.Cause(ctx))
	}
}

func (s *Session) close(ctx context.Context, e *Epoch) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout())
	defer cancel()
	stop := context.AfterFunc(ctx, s.connector.Hurry)
	e.conn.End(ErrClosed, true)
	s.connector.Wait()
	stop()
	s.connector.Hurry()
	s.mu.Lock()
	s.statuses.add(Status{State: Closed, Epoch: e.number, ID: e.ID(), Err: ErrClosed})
	s.mu.Unlock()
	s.observer.Wait()
	close(s.closed)
}
