package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
)

const (
	// waitDelay is how long a wait must last to be explained. Nothing is read before.
	waitDelay = time.Second
	// waitInterval is the time between reads of the reason.
	waitInterval = 2 * time.Second
)

// waitReason says why a wait has not ended.
type waitReason struct {
	key  string // a reason is printed again if its key has changed; "" if there is none
	text string // follows what is waited for
	age  string // of the node of the only holder, which may have waited before it owned
}

// waitExplanation says what a wait is for, and finds out why it has not ended.
type waitExplanation struct {
	what string // "/app/lock"
	// read reads the reason; nil if there is nothing to read.
	read func(context.Context) (waitReason, error)
	// anonymous means that the error of a call that does not wait names no holder.
	anonymous bool
}

// giveUp returns err with the reason why a wait that has been given up has not ended.
func (w waitExplanation) giveUp(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(ctx, closeGrace)
	defer cancel()
	if reason, readErr := w.read(ctx); readErr == nil && reason.key != "" {
		return fmt.Errorf("%w%s%s", err, reason.text, reason.age)
	}
	return err
}

// explain prints on a terminal what a wait is for, and each new reason why it has not
// ended, until stop is called.
func (a *app) explain(ctx context.Context, w waitExplanation) (stop func()) {
	if a.quiet || !a.stderr.terminal() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.explainUntil(ctx, w)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (a *app) explainUntil(ctx context.Context, w waitExplanation) {
	timer := time.NewTimer(waitDelay)
	defer timer.Stop()
	printed := "" // the key
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		reason := w.reason(ctx)
		if ctx.Err() != nil {
			return
		}
		if reason.key != "" && reason.key != printed {
			if printed != "" {
				reason.age = "" // the new holder has waited in line: its age would mislead
			}
			a.notice("waiting for %s%s%s", w.what, reason.text, reason.age)
			printed = reason.key
		}
		timer.Reset(waitInterval)
	}
}

// reason returns the reason, and one without text if it cannot be read.
func (w waitExplanation) reason(ctx context.Context) waitReason {
	unexplained := waitReason{key: "unexplained"}
	if w.read == nil {
		return unexplained
	}
	ctx, cancel := context.WithTimeout(ctx, waitInterval)
	defer cancel()
	reason, err := w.read(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return waitReason{key: "no answer", text: ", and no server answers"}
	case err != nil:
		return unexplained
	}
	return reason
}

// holder is a client that owns what another one waits for.
type holder struct {
	id    string
	token session.Zxid
	path  string    // of its node; "" if it is unknown
	since time.Time // when its node was created; zero if it is unknown
}

// name returns the holder's id, or the name of its node if it has none.
func (h holder) name() string {
	if h.id == "" && h.path != "" {
		return path.Base(h.path)
	}
	return oneWord(h.id)
}

// maxNamed is how many holders are named.
const maxNamed = 3

// heldBy returns the reason that holders own what is waited for.
func heldBy(verb string, holders ...holder) waitReason {
	if len(holders) == 0 {
		return waitReason{}
	}
	var names []string
	key := verb
	for _, h := range holders {
		names = append(names, h.name())
		key += fmt.Sprintf(" %d", h.token)
	}
	if more := len(names) - maxNamed; more > 1 {
		names = append(names[:maxNamed], fmt.Sprintf("%d others", more))
	}
	last := len(names) - 1
	text := names[last]
	if last > 0 {
		text = strings.Join(names[:last], ", ") + " and " + text
	}
	reason := waitReason{key: key, text: ", " + verb + " " + text}
	if len(holders) == 1 && !holders[0].since.IsZero() {
		reason.age = " for at most " + age(holders[0].since)
	}
	return reason
}

// lockHolders returns the reason that contenders hold a lock. They are in the order of
// Contenders. There is none if this session's contender is among the holders.
func lockHolders(s *session.Session, contenders []lock.Contender) waitReason {
	var holders []holder
	for i, c := range contenders {
		if i > 0 && !(c.Reader && contenders[0].Reader) {
			break
		}
		if c.Session == s.Status().ID {
			return waitReason{}
		}
		holders = append(holders, holder{c.ID, c.Token, c.Path, c.Since})
	}
	return heldBy("held by", holders...)
}

// permitHolders returns the reason that other clients hold permits.
func permitHolders(ctx context.Context, m *lock.Semaphore) (waitReason, error) {
	list, err := m.Holders(ctx)
	if err != nil {
		return waitReason{}, err
	}
	var holders []holder
	for _, c := range list {
		holders = append(holders, holder{c.ID, c.Token, c.Path, c.Since})
	}
	return heldBy("held by", holders...), nil
}

// leaderReason returns the reason that another candidate leads.
func leaderReason(ctx context.Context, s *session.Session, e *election.Election) (waitReason, error) {
	l, err := e.Leader(ctx)
	if errors.Is(err, election.ErrNoLeader) || err == nil && l.Session == s.Status().ID {
		return waitReason{}, nil
	}
	if err != nil {
		return waitReason{}, err
	}
	st, _, err := s.Exists(ctx, l.Path)
	if err != nil {
		return waitReason{}, err
	}
	h := holder{id: l.ID, token: l.Token, path: l.Path}
	if st.Czxid == l.Token {
		h.since = st.Ctime
	}
	return heldBy("led by", h), nil
}

// slotHolders returns the reason that other clients hold the numbers.
func slotHolders(ctx context.Context, slots *naming.Slots) (waitReason, error) {
	list, err := slots.Holders(ctx)
	if err != nil {
		return waitReason{}, err
	}
	var holders []holder
	for _, h := range list {
		holders = append(holders, holder{id: h.ID, token: h.Token})
	}
	return heldBy("held by", holders...), nil
}

// nodeAge returns the reason that the node at path exists, with the text before its age.
func nodeAge(ctx context.Context, s *session.Session, path, text string) (waitReason, error) {
	st, exists, err := s.Exists(ctx, path)
	if err != nil || !exists {
		return waitReason{}, err
	}
	return waitReason{key: fmt.Sprint(st.Czxid), text: text + age(st.Ctime)}, nil
}

// count returns a number with the form of a noun that fits it.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%s %ss", grouped(int64(n)), noun)
}

// masterAndWorkers returns what the tasks at path wait for: a master, workers, or the end
// of other tasks.
func (c *client) masterAndWorkers(ctx context.Context, path string) (waitReason, error) {
	l, err := election.New(c.Session, path, election.WithFixedNode("master")).Leader(ctx)
	if errors.Is(err, election.ErrNoLeader) {
		return waitReason{key: "no master", text: "; there is no master"}, nil
	}
	if err != nil {
		return waitReason{}, err
	}
	workers, _, err := c.Children(ctx, session.Join(path, "workers"))
	if err != nil && !errors.Is(err, session.ErrNoNode) {
		return waitReason{}, err
	}
	if len(workers) == 0 {
		return waitReason{key: "no worker", text: "; there is no worker"}, nil
	}
	text := fmt.Sprintf("; the master is %s, with %s", oneWord(l.ID), count(len(workers), "worker"))
	return waitReason{key: text, text: text}, nil
}

// itemsOf returns the explanation of a wait for an item of a queue.
func itemsOf(path string, length func(context.Context) (int, error)) waitExplanation {
	return waitExplanation{what: "an item of " + path, read: func(ctx context.Context) (waitReason, error) {
		n, err := length(ctx)
		if err != nil {
			return waitReason{}, err
		}
		switch n {
		case 0:
			return waitReason{key: "empty", text: "; the queue is empty"}, nil
		case 1:
			return waitReason{key: "claimed", text: "; its item is claimed or not due yet"}, nil
		}
		return waitReason{key: "claimed", text: fmt.Sprintf("; its %s items are claimed or not due yet", grouped(int64(n)))}, nil
	}}
}
