package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
)

// ownership is what one has while the command runs: a lock's lease, a leader's term.
type ownership interface {
	Context() context.Context
	Err() error
	Token() session.Zxid
	Path() string
	SessionID() int64
	Deadline() (time.Time, <-chan struct{})
	release(ctx context.Context) error
}

type lease struct{ *lock.Lease }

func (l lease) release(ctx context.Context) error { return l.Unlock(ctx) }

type term struct{ *election.Term }

func (t term) release(ctx context.Context) error { return t.Resign(ctx) }

func isLost(err error) bool {
	for _, lost := range []error{lock.ErrLost, election.ErrLost, barrier.ErrLost, naming.ErrLost} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}

// repeatPause lies between the beginnings of two runs at the least, so that a
// command that fails at once does not keep the servers busy.
const repeatPause = time.Second

// holdRunner runs a command, or just waits, while it owns something.
type holdRunner struct {
	*app
	sig     *proc.Signals
	path    string        // of what is owned
	command *proc.Command // nil to wait for a signal
	vars    []string      // what else the command finds in its environment
	grace   time.Duration
	repeat  bool // own and run again and again
	once    bool // do not stay if there is no command
	// shows is what wait prints; nil for the token.
	format func(ownedJSON) (text string, v any)
}

// run acquires and holds, with repeat again and again. Connecting and acquiring end
// with the first signal.
func (o *holdRunner) run(acquire func(context.Context, *session.Session) (ownership, error)) error {
	return o.runWrapping(o.grace, func(sig *proc.Signals, s *session.Session, grace time.Duration) error {
		o.sig, o.grace = sig, grace
		for {
			next := time.After(repeatPause)
			g, err := acquire(sig.WaitContext(), s)
			if err != nil {
				return signalOr(sig, err)
			}
			again, err := o.hold(g)
			if !o.repeat || !again || sig.WaitContext().Err() != nil {
				return err
			}
			if o.command == nil && isLost(err) {
				o.notice("%v", err)
			}
			select {
			case <-next:
			case <-sig.WaitContext().Done():
			}
			if sig.WaitContext().Err() != nil {
				return signalOr(sig, err)
			}
		}
	})
}

// hold does what is to be done while g is owned, and releases it. Again tells
// whether it makes sense to begin anew.
func (o *holdRunner) hold(g ownership) (again bool, err error) {
	defer func() {
		ctx, cancel := context.WithTimeout(o.sig.ReleaseContext(), closeGrace)
		defer cancel()
		// As long as it is not released, it may turn out to have been lost before
		// the end of the command.
		switch rerr := g.release(ctx); {
		case isLost(rerr):
			err = exit(exitLost, rerr)
		case rerr != nil:
			o.notice("%v", rerr)
			o.sig.CancelRelease() // there is no point in waiting for the same servers again
		}
	}()
	if o.command == nil {
		return true, o.wait(g)
	}
	c, err := o.sig.Start(o.command, proc.Spec{
		Env: o.environment(g), Stdin: os.Stdin, Foreground: !o.repeat, Check: g.Err, Deadline: g.Deadline, Notice: o.notice,
	})
	if err != nil {
		return isLost(err), startError(o.command, err)
	}
	select {
	case <-c.Done():
	case <-g.Context().Done():
		o.notice("%s is lost, stopping %s", o.path, o.command.Name())
		c.Stop(o.grace)
	}
	o.sig.Detach(c)
	if err := c.Err(); err != nil {
		return false, exit(exitFailed, fmt.Errorf("%s: %w", o.command.Name(), err))
	}
	if c.ExitCode() == 0 {
		return true, nil
	}
	return true, exit(c.ExitCode(), nil)
}

// ownedJSON is what is owned, as JSON.
type ownedJSON struct {
	Path    string `json:"path"`
	Token   int64  `json:"token"`
	Session string `json:"session"`
	Node    string `json:"node"`
}

// wait prints what is owned and, unless it is passing, waits for a signal.
func (o *holdRunner) wait(g ownership) error {
	own := ownedJSON{o.path, int64(g.Token()), hex(g.SessionID()), g.Path()}
	text, v := strconv.FormatInt(own.Token, 10), any(own)
	if o.format != nil {
		text, v = o.format(own)
	}
	err := o.print(text, v)
	if err != nil || o.once {
		return err
	}
	select {
	case <-g.Context().Done():
		return nil // the release says why
	case <-o.sig.WaitContext().Done():
		return afterSignal(o.sig)
	}
}

func (o *holdRunner) environment(g ownership) []string {
	return append(childEnvironment(o.path, o.grace, o.vars...),
		"ZKR_TOKEN="+strconv.FormatInt(int64(g.Token()), 10),
		"ZKR_SESSION="+hex(g.SessionID()))
}

func hex(id int64) string { return fmt.Sprintf("0x%x", uint64(id)) }
