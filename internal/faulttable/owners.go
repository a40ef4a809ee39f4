package faulttable

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// Owners records who owned when.
type Owners struct {
	mu      sync.Mutex
	tenures []*tenure
}

type tenure struct {
	who     string
	token   session.Zxid
	from    time.Time
	to      time.Time // zero while it lasts
	expired bool      // the server ended a session meanwhile, before its time
}

// Begin notes that who owns, until owning is done.
func (o *Owners) Begin(who string, token session.Zxid, owning context.Context) {
	t := &tenure{who: who, token: token, from: time.Now()}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tenures = append(o.tenures, t)
	context.AfterFunc(owning, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		t.to = time.Now()
	})
}

func (o *Owners) expire() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range o.tenures {
		t.expired = t.expired || t.to.IsZero()
	}
}

// check reports tenures that overlap and tokens that do not rise. No clock can
// foretell that a server ends a session before its time, so a tenure in which
// that happened may last until its owner hears of it.
func (o *Owners) check(t testing.TB) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, a := range o.tenures {
		if a.to.IsZero() {
			t.Errorf("%s still owns with token %v", a.who, a.token)
		}
		if i == 0 {
			continue
		}
		b := o.tenures[i-1]
		if a.token <= b.token {
			t.Errorf("token %v of %s came after %v of %s", a.token, a.who, b.token, b.who)
		}
		if b.to.After(a.from) && !b.expired {
			t.Errorf("%s owned until %v, and %s from %v", b.who, b.to, a.who, a.from)
		}
	}
}
