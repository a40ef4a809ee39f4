package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"sync"
	"time"
)

// Session is the one connection of a process to an ensemble. It heals itself:
// it redials with backoff, resumes its ZooKeeper session while that lives, and
// after an expiry opens a new one, under a higher epoch. It is safe for
// concurrent use; share one per process and ensemble.
type Session struct {
	opts         *options
	servers      []string
	root         chroot
	statuses     *statusHistory
	ctx          context.Context // ends when Close has done what it could
	cancel       context.CancelFunc
	goroutines   sync.WaitGroup // every goroutine of the session
	creates      keyedLock      // see Epoch.Create
	capabilities capabilities

	reportedOwnerless sync.Map // the czxids of nodes that Epoch.Blocked has reported, by path

	observer sync.WaitGroup // the goroutine of Hooks.State, which sees the very end

	mu       sync.Mutex
	epoch    *Epoch
	renewed  chan struct{} // closed when epoch is replaced, and when it never will be
	closing  bool
	failures failures      // of attempts to connect, since the last that succeeded
	closed   chan struct{} // closed when Close is complete
}

// Connect dials the ensemble and returns once a ZooKeeper session exists. It fails
// at once on bad arguments, when no server's name exists, and when the servers
// refuse the credentials; otherwise it goes on trying until ctx ends. So give ctx a
// deadline: without one, Connect waits for as long as no server answers. ctx bounds
// only this call. The error says what each server that was tried has answered:
//
//	session: connect zk1:2181: context deadline exceeded (zk1:2181: connection refused)
//
// connect is a ZooKeeper connect string, "host1:2181,[::1]:2181/chroot". Servers are
// tried in random order. If a host has several addresses, each is tried as a server
// of its own. Hosts are looked up again whenever all servers have been tried.
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
		opts: o, servers: servers, root: root + chroot(o.root),
		statuses:     newStatusHistory(Status{State: Connecting, Epoch: 1}),
		creates:      keyedLock{held: make(map[string]chan struct{})},
		capabilities: capabilities{probing: keyedLock{held: make(map[string]chan struct{})}},
		closed:       make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.renew(1)
	if f := o.hooks.State; f != nil {
		s.observer.Go(func() {
			for st := range s.statuses.watch(context.Background()) {
				f(st)
			}
		})
	}
	s.goroutines.Go(s.run)
	if err := s.Ready(ctx); err != nil {
		s.Close(ctx)
		return nil, opError("connect", connect, err)
	}
	return s, nil
}

// run lets one epoch follow the other.
func (s *Session) run() {
	for e := s.current(); e != nil; e = s.renew(e.number + 1) {
		s.goroutines.Go(e.proveLoop)          // before anybody can know the epoch
		if err := e.link.open(); err != nil { // cannot be: the arguments are our own
			e.end(err, false)
		}
		<-e.ctx.Done()
		s.opts.log.Info("zookeeper: epoch ended", "epoch", e.number, "session", fmt.Sprintf("0x%x", e.ID()), "cause", context.Cause(e.ctx))
		s.publish(e, "", context.Cause(e.ctx), false)
		s.goroutines.Go(e.closeRetired)
	}
}

// renew starts an epoch; nil when the session is being closed.
func (s *Session) renew(number uint64) *Epoch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil
	}
	e := &Epoch{session: s, number: number, changed: make(chan struct{}, 1)}
	e.ctx, e.cancel = context.WithCancelCause(context.Background())
	e.link = newLink(e, &s.goroutines)
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

// publish notes what has become of e. It derives the state from what is the case
// now, so that two reports that overtake each other end in the truth.
func (s *Session) publish(e *Epoch, server string, reason error, hopeless bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.statuses.current().Status
	if s.epoch != e || last.State == Closed || last.State == Lost && last.Epoch == e.number {
		return
	}
	st := s.describe(e)
	if st.State == Lost {
		if e.ctx.Err() == nil {
			return // run is about to say why
		}
		reason = context.Cause(e.ctx)
	}
	st.Err, st.hopeless = reason, hopeless
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
		st.Err, st.hopeless = nil, false
		clear(s.failures)
		if last.State == Connected && last.Epoch == st.Epoch && last.Server == st.Server {
			return
		}
	}
	s.statuses.add(st)
}

// describe gives the state of e as it is.
func (s *Session) describe(e *Epoch) Status {
	l := e.link
	l.mu.Lock()
	defer l.mu.Unlock()
	st := Status{Epoch: e.number, ID: l.id}
	st.Deadline, _ = e.deadline()
	switch {
	case e.finished:
		st.State = Lost
	case l.current != nil:
		st.State, st.Server = Connected, l.current.server
	case l.id == 0:
		st.State = Connecting
	default:
		st.State = Suspended
	}
	return st
}

// Status says how the session is now.
func (s *Session) Status() Status {
	st := s.statuses.current().Status
	if e := s.current(); e.number == st.Epoch && st.State != Lost && st.State != Closed {
		st.Deadline = s.describe(e).Deadline
	}
	return st
}

// Watch yields the current status and then every later one, in order and
// without a gap, until ctx ends or the session is closed. A slow reader delays
// nobody.
func (s *Session) Watch(ctx context.Context) iter.Seq[Status] { return s.statuses.watch(ctx) }

// Changed returns a channel that is closed at the next change of the status, for
// select loops: take it before Status, and no change is missed.
func (s *Session) Changed() <-chan struct{} { return s.statuses.current().passed }

// Ready waits until the session is connected. It fails when ctx ends, when the
// session is closed, and when trying on is pointless.
func (s *Session) Ready(ctx context.Context) error {
	for st := range s.statuses.watch(ctx) {
		switch {
		case st.State == Connected:
			return nil
		case st.State == Closed:
			return ErrClosed
		case st.hopeless:
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

// interrupted is the error of a wait that ctx has ended. If there was no
// connection, it says why.
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

// Timeout is the session timeout that the server has granted; before there is a
// ZooKeeper session, the one that is asked for.
func (s *Session) Timeout() time.Duration {
	l := s.current().link
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.timeout
}

// MaxBuffer is how many bytes a request may have; see WithMaxBuffer.
func (s *Session) MaxBuffer() int { return s.opts.maxBuffer }

// MaxPayload is how many bytes of a value, encoded, recipes accept: those of a
// request, less 16 KB for what goes with the value. It is 1032192 by default.
func (s *Session) MaxPayload() int { return s.opts.maxBuffer + 1 - 16<<10 }

// Epoch waits until the session is connected and returns the epoch it is in.
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
			// Its cause may be an ErrExpired of another session, for which callers that
			// begin anew in each epoch would do so for ever.
			return nil, s.interrupted(ctx)
		}
		t, attached := e.link.gate()
		if t != nil && e.ctx.Err() == nil {
			return e, nil
		}
		if t != nil {
			attached = nil // of an epoch that is over
		}
		select {
		case <-attached:
		case <-renewed:
		case <-ctx.Done():
			return nil, s.interrupted(ctx)
		}
	}
}

// spawn runs f in a goroutine of the session. It reports false when the session
// is being closed, and does not run f then.
func (s *Session) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.goroutines.Go(f)
	}
	return !s.closing
}

// InEpoch calls f with the current epoch, once the session is connected, and returns
// what f returns. If the error of f wraps ErrExpired and not ErrUnknown, the epoch has
// ended before f had an effect: then InEpoch calls f again in the next epoch.
//
// If ctx is done or the session is closed before f can be called, InEpoch returns the
// reason, in a copy of op unless its Op is empty. It sends nothing itself.
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

// inCurrentEpoch is InEpoch for requests that wait for the connection themselves.
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

// Close ends every lease, then the ZooKeeper session, so that its ephemeral
// nodes go at once. It waits for the server to confirm that, but not longer than
// ctx or the session timeout, after which the server ends the session by itself.
// It leaves no goroutine behind. A second call waits for the first.
func (s *Session) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closing
	if first {
		s.closing = true
		close(s.renewed) // nobody, least of all a goroutine that Close waits for, waits for an epoch that never comes
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
		// What is left to do takes no more waiting for servers.
		<-s.closed
		return opError("close", s.servers[0], context.Cause(ctx))
	}
}

func (s *Session) close(ctx context.Context, e *Epoch) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout())
	defer cancel()
	stop := context.AfterFunc(ctx, s.cancel)
	e.end(ErrClosed, true)
	s.goroutines.Wait()
	stop()
	s.cancel()
	s.mu.Lock()
	s.statuses.add(Status{State: Closed, Epoch: e.number, ID: e.ID(), Err: ErrClosed})
	s.mu.Unlock()
	s.observer.Wait()
	close(s.closed)
}
