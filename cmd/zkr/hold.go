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

// ownership is held while the command runs: a lock's lease or a leader's term.
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

// repeatPause is the shortest time between the starts of two runs. Without it, a command
// that fails immediately would keep the servers busy.
const repeatPause = time.Second

// holdRunner acquires ownership and runs a command while it lasts.
type holdRunner struct {
	*app
	sig     *proc.Signals
	path    string        // the path that is owned
	command *proc.Command // nil to wait for a signal instead
	vars    []string      // further variables for the command
	grace   time.Duration
	repeat  bool // acquire and run again after each end
	once    bool // release immediately if there is no command
	// format returns what wait prints; nil for the token.
	format func(ownedJSON) (text string, v any)
}

// run connects, acquires and holds, and with repeat acquires again. Connecting and
// acquiring end with the first signal.
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

// hold runs the command, or waits, while g is owned, and releases g. It returns again
// if another run makes sense.
func (o *holdRunner) hold(g ownership) (again bool, err error) {
	defer func() {
		ctx, cancel := context.WithTimeout(o.sig.ReleaseContext(), closeGrace)
		defer cancel()
		// Only the release shows whether g was still owned when the command ended.
		switch rerr := g.release(ctx); {
		case isLost(rerr):
			err = exit(exitLost, rerr)
		case rerr != nil:
			o.notice("%v", rerr)
			o.sig.CancelRelease() // do not wait for the same servers again
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

// ownedJSON describes an ownership.
type ownedJSON struct {
	Path    string `json:"path"`
	Token   int64  `json:"token"`
	Session string `json:"session"`
	Node    string `json:"node"`
}

// wait prints what is owned and, unless o.once is set, waits for a signal or a loss.
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
		return nil // the release returns the loss
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
