package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/session"
)

// observe prints who leads until a signal comes.
func (a *app) observe(elect func(*session.Session) *election.Election) error {
	sig := watchSignals()
	defer sig.stop()
	s, err := a.connect(sig.waiting)
	if err != nil {
		return sig.failure(exitOfSession(err))
	}
	defer a.leave(sig.patience, s)
	for l, err := range elect(s).Observe(sig.waiting) {
		switch {
		case err == nil:
			if err := a.tellLeader(l); err != nil {
				return exit(exitNo, err)
			}
		case asks(sig.received()):
			return nil
		default:
			return sig.failure(exitOfSession(err))
		}
	}
	return nil
}

func (a *app) tellLeader(l election.Leader) error {
	if l.Token == 0 {
		return a.answer("vacant", struct {
			Vacant bool `json:"vacant"`
		}{true})
	}
	return a.answer(fmt.Sprintf("%s %d", label(l.ID), int64(l.Token)), struct {
		Vacant bool   `json:"vacant"`
		ID     string `json:"id"`
		Token  int64  `json:"token"`
	}{false, l.ID, int64(l.Token)})
}

// label makes one word of an id, which may have been written by any program.
func label(id string) string {
	if q := strconv.Quote(id); id == "" || strings.Contains(id, " ") || q[1:len(q)-1] != id {
		return q
	}
	return id
}
