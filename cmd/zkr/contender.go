package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// contender is a line of lock ls and elect ls.
type contender struct {
	id        string
	token     session.Zxid
	path      string
	session   int64 // 0 if no session owns the node
	since     time.Time
	holds     bool
	heldSince time.Time // zero if it is unknown or does not hold
	shared    bool
	revoked   bool
	wants     int // permits that it waits for; 0 outside of semaphores
	data      []byte
}

// contenderWords are the words that lines for people contain.
type contenderWords struct{ holder, asked string }

var (
	lockWords  = contenderWords{"holder", "asked to release"}
	electWords = contenderWords{"leader", "asked to step down"}
)

// state returns the state of a contender in words.
func (w contenderWords) state(c contender) string {
	if c.holds {
		return w.holder
	}
	return "waiting"
}

// contenderJSON is the same for locks and elections.
type contenderJSON struct {
	Position  int    `json:"position"`
	State     string `json:"state"` // holder or waiting
	ID        string `json:"id"`
	Host      string `json:"host,omitempty"`
	PID       int    `json:"pid,omitempty"`
	Since     string `json:"since"`
	HeldSince string `json:"heldSince,omitempty"`
	Token     int64  `json:"token"`
	Session   string `json:"session,omitempty"`
	Revoked   bool   `json:"revoked"`
	Shared    bool   `json:"shared,omitempty"`
	Wants     int    `json:"wants,omitempty"`
	Node      string `json:"node"`
	payload
}

// printContenders prints a line for each contender.
func (a *app) printContenders(cs []contender, words contenderWords) error {
	for i, c := range cs {
		if err := a.print(words.text(i+1, c), newContenderJSON(i+1, c)); err != nil {
			return err
		}
	}
	return nil
}

func newContenderJSON(position int, c contender) contenderJSON {
	j := contenderJSON{
		Position: position, State: lockWords.state(c), ID: c.id, Since: c.since.Format(time.RFC3339), Token: int64(c.token),
		Revoked: c.revoked, Shared: c.shared, Wants: c.wants, Node: c.path,
	}
	j.Host, j.PID = hostAndPID(c.id)
	if !c.heldSince.IsZero() {
		j.HeldSince = c.heldSince.Format(time.RFC3339)
	}
	if c.session != 0 {
		j.Session = hex(c.session)
	}
	if c.data != nil {
		j.payload = newPayload(c.data)
	}
	return j
}

func (w contenderWords) text(position int, c contender) string {
	words := []string{strconv.Itoa(position), w.state(c), oneWord(c.id), "age", age(c.since)}
	switch {
	case c.holds && c.heldSince.IsZero():
		words = append(words, "held unknown")
	case c.holds:
		words = append(words, "held", age(c.heldSince))
	}
	words = append(words, "token", strconv.FormatInt(int64(c.token), 10), "session")
	if c.session != 0 {
		words = append(words, hex(c.session))
	} else {
		words = append(words, "none")
	}
	if c.shared {
		words = append(words, "shared")
	}
	if c.wants > 1 {
		words = append(words, fmt.Sprintf("wants %d permits", c.wants))
	}
	if c.revoked {
		words = append(words, w.asked)
	}
	if c.data != nil {
		words = append(words, "data", oneLine(c.data))
	}
	return strings.Join(words, " ")
}

// age returns the time since then, without fractions of a second.
func age(then time.Time) string { return max(time.Since(then), 0).Truncate(time.Second).String() }

// hostAndPID returns the parts of a default id, HOST:PID. Other ids have none.
func hostAndPID(id string) (host string, pid int) {
	i := strings.LastIndexByte(id, ':')
	if i < 1 {
		return "", 0
	}
	pid, err := strconv.Atoi(id[i+1:])
	if err != nil || pid <= 0 || strconv.Itoa(pid) != id[i+1:] {
		return "", 0
	}
	return id[:i], pid
}

// setHeldSince sets heldSince of the holders in a line, the children of path. It is known
// if no child was created or deleted after the holder's node: then the holder has held
// since it was created. cs must have been read before.
func (c *client) setHeldSince(ctx context.Context, path string, cs []contender) error {
	if len(cs) == 0 {
		return nil
	}
	parent, exists, err := c.Exists(ctx, path)
	if err != nil && !errors.Is(err, session.ErrNoAuth) || !exists {
		return err
	}
	for i := range cs {
		if cs[i].holds && cs[i].token == parent.Pzxid {
			cs[i].heldSince = cs[i].since
		}
	}
	return nil
}

// holdersOf returns the contenders that hold.
func holdersOf(cs []contender) (holders []contender) {
	for _, c := range cs {
		if c.holds {
			holders = append(holders, c)
		}
	}
	return holders
}
