package faulttable

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// Owners records who owned when, and how much.
type Owners struct {
	// Limit is how much may be owned at a time; 0 is 1. Set it before anybody
	// owns.
	Limit int
	// EqualTokens says that tenures that follow each other may have the same.
	EqualTokens bool

	mu      sync.Mutex
	tenures []*tenure
	expiry  time.Time // the latest
}

type tenure struct {
	who     string
	token   session.Zxid
	weight  int
	from    time.Time
	to      time.Time // zero while it lasts
	expired bool      // the server ended a session meanwhile, before its time
	late    bool      // it did so before this began, and the owner may not have heard
}

// Begin notes that who owns everything there is, until owning is done.
func (o *Owners) Begin(who string, token session.Zxid, owning context.Context) {
	o.BeginShare(who, token, o.limit(), owning)
}

// BeginShare notes that who owns so much, until owning is done.
func (o *Owners) BeginShare(who string, token session.Zxid, weight int, owning context.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := &tenure{who: who, token: token, weight: weight, from: time.Now()}
	t.late = t.from.Equal(o.expiry) || o.EqualTokens && o.inherits(t)
	t.expired = t.late
	o.tenures = append(o.tenures, t)
	context.AfterFunc(owning, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		t.to = time.Now()
	})
}

// inherits tells whether t goes on with what another had when the server ended a
// session: whoever hands on may not have heard of it.
func (o *Owners) inherits(t *tenure) bool {
	return slices.ContainsFunc(o.tenures, func(b *tenure) bool { return b.token == t.token && b.expired })
}

func (o *Owners) limit() int { return max(o.Limit, 1) }

// Expire notes that the server ends a session before its time. No clock can
// foretell that, so a tenure in which it happens may last until its owner hears
// of it.
func (o *Owners) Expire() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expiry = time.Now()
	for _, t := range o.tenures {
		t.expired = t.expired || t.to.IsZero()
	}
}

// Check reports where more was owned than there is, and tokens that do not rise
// from one tenure to a later one that could not be beside it. Whoever goes on
// with less than before has the same token.
func (o *Owners) Check(t testing.TB) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, a := range o.tenures {
		if a.to.IsZero() {
			t.Errorf("%s still owns with token %v", a.who, a.token)
		}
		if a.late {
			continue
		}
		owned := a.weight
		for _, b := range o.tenures[:i] {
			if a.weight+b.weight > o.limit() && (a.token < b.token || a.token == b.token && a.weight == b.weight && !o.EqualTokens) {
				t.Errorf("token %v of %s came after %v of %s", a.token, a.who, b.token, b.who)
			}
			if !b.to.After(a.from) || b.expired {
				continue
			}
			if owned += b.weight; owned > o.limit() {
				t.Errorf("%s owned until %v, and %s from %v", b.who, b.to, a.who, a.from)
			}
		}
	}
}
