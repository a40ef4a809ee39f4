package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
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
	Release(ctx context.Context) error
}

// owning returns a function that calls acquire. If acquire fails, the ownership is nil.
func owning[T ownership](acquire func(context.Context) (T, error)) func(context.Context) (ownership, error) {
	return func(ctx context.Context) (ownership, error) {
		owned, err := acquire(ctx)
		if err != nil {
			return nil, err
		}
		return owned, nil
	}
}

// revokedOf returns the channel that is closed when another client has asked the holder
// to release, or nil if that is not possible.
func revokedOf(owned ownership) <-chan struct{} {
	if r, ok := owned.(interface{ Revoked() <-chan struct{} }); ok {
		return r.Revoked()
	}
	return nil
}

func isLost(err error) bool { return errors.Is(err, session.ErrLost) }

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
	repeat  bool   // acquire and run again after each end
	once    bool   // release immediately if there is no command
	asked   string // what another client asks the owner to do, for notices
	// format returns what wait prints; nil for the token.
	format func(ownedJSON) (text string, v any)
}

// run connects, acquires and holds, and with repeat acquires again. Connecting and
// acquiring end with the first signal.
func (r *holdRunner) run(acquire func(context.Context, *session.Session) (ownership, error)) error {
	return r.runWrapping(r.grace, func(sig *proc.Signals, s *session.Session, grace time.Duration) error {
		r.sig, r.grace = sig, grace
		for {
			next := time.After(repeatPause)
			owned, err := acquire(sig.WaitContext(), s)
			if err != nil {
				return signalOr(sig, err)
			}
			repeatable, err := r.hold(owned)
			if !r.repeat || !repeatable || sig.WaitContext().Err() != nil {
				return err
			}
			if r.command == nil && isLost(err) {
				r.notice("%v", err)
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

// hold runs the command, or waits, while owned lasts, and releases it. It reports
// whether the command can be run again.
func (r *holdRunner) hold(owned ownership) (repeatable bool, err error) {
	defer func() {
		ctx, cancel := context.WithTimeout(r.sig.ReleaseContext(), closeGrace)
		defer cancel()
		// Only the release shows whether it was still owned when the command ended.
		switch releaseErr := owned.Release(ctx); {
		case isLost(releaseErr):
			err = exit(exitLost, atPath(r.path, releaseErr))
		case releaseErr != nil:
			r.notice("%v", releaseErr)
			r.sig.CancelRelease() // do not wait for the same servers again
		}
	}()
	if r.command == nil {
		return true, r.wait(owned)
	}
	select {
	case <-revokedOf(owned):
		r.notice("%s: %s before %s was started", r.path, r.asked, r.command.Name())
		return true, exitSignal(syscall.SIGTERM)
	default:
	}
	c, err := r.sig.Start(r.command, proc.Spec{
		Env: r.environment(owned), Stdin: os.Stdin, Foreground: !r.repeat, Check: owned.Err, Deadline: owned.Deadline, Notice: r.notice,
	})
	if err != nil {
		return isLost(err), startError(r.command, err)
	}
	select {
	case <-c.Done():
	case <-owned.Context().Done():
		r.notice("%s is lost, stopping %s", r.path, r.command.Name())
		c.Stop(r.grace)
	case <-revokedOf(owned):
		r.notice("%s: %s, stopping %s", r.path, r.asked, r.command.Name())
		c.Stop(r.grace)
	}
	r.sig.Detach(c)
	if err := c.Err(); err != nil {
		return false, exit(exitFailed, fmt.Errorf("%s: %w", r.command.Name(), err))
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

// wait prints what is owned and, unless r.once is set, waits for a signal, a loss or a
// request to release.
func (r *holdRunner) wait(owned ownership) error {
	description := ownedJSON{r.path, int64(owned.Token()), hex(owned.SessionID()), owned.Path()}
	text, v := strconv.FormatInt(description.Token, 10), any(description)
	if r.format != nil {
		text, v = r.format(description)
	}
	err := r.print(text, v)
	if err != nil || r.once {
		return err
	}
	select {
	case <-owned.Context().Done():
		return nil // the release returns the loss
	case <-revokedOf(owned):
		r.notice("%s: %s", r.path, r.asked)
		return nil
	case <-r.sig.WaitContext().Done():
		return afterSignal(r.sig)
	}
}

func (r *holdRunner) environment(owned ownership) []string {
	return append(childEnvironment(r.path, r.grace, r.vars...),
		"ZKR_TOKEN="+strconv.FormatInt(int64(owned.Token()), 10),
		"ZKR_SESSION="+hex(owned.SessionID()))
}

func hex(id int64) string { return fmt.Sprintf("0x%x", uint64(id)) }
