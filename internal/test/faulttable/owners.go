package faulttable

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// Owners records who owned something, when, and with which token. Check then finds
// ownership that overlapped and tokens that did not rise.
type Owners struct {
	// Limit is how much may be owned at a time: the permits of a semaphore, for example.
	// 0 means 1. Set it before the first Begin.
	Limit int
	// EqualTokens allows owners that follow each other to have the same token, as in a
	// handoff.
	EqualTokens bool

	mu         sync.Mutex
	all        []*ownership
	lastExpiry time.Time
}

type ownership struct {
	owner   string
	token   session.Zxid
	share   int
	from    time.Time
	to      time.Time // zero until it ends
	expired bool      // the server expired a session before its time during this ownership
	late    bool      // that happened just before it began, so the owner may not have known
}

// Begin records that owner owns everything until ctx is done.
func (o *Owners) Begin(owner string, token session.Zxid, ctx context.Context) {
	o.BeginShare(owner, token, o.limit(), ctx)
}

// BeginShare records that owner owns a share of Limit until ctx is done.
func (o *Owners) BeginShare(owner string, token session.Zxid, share int, ctx context.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	own := &ownership{owner: owner, token: token, share: share, from: time.Now()}
	own.late = own.from.Equal(o.lastExpiry) || o.EqualTokens && o.continuesExpired(own)
	own.expired = own.late
	o.all = append(o.all, own)
	context.AfterFunc(ctx, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		own.to = time.Now()
	})
}

// continuesExpired returns true if own has the token of an ownership during which a
// session expired: the previous owner may have handed it off before it knew.
func (o *Owners) continuesExpired(own *ownership) bool {
	return slices.ContainsFunc(o.all, func(b *ownership) bool { return b.token == own.token && b.expired })
}

func (o *Owners) limit() int { return max(o.Limit, 1) }

// SessionExpired records that the server expires a session before its time. No client can
// foresee that, so an ownership may then last until its owner learns of the expiry.
func (o *Owners) SessionExpired() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lastExpiry = time.Now()
	for _, own := range o.all {
		own.expired = own.expired || own.to.IsZero()
	}
}

// Check fails the test if more than Limit was owned at a time, if a token was not greater
// than those of earlier owners that it excludes, or if something is still owned. An owner
// that keeps a smaller share, after a downgrade, keeps its token.
func (o *Owners) Check(t testing.TB) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, a := range o.all {
		if a.to.IsZero() {
			t.Errorf("%s still owns with token %v", a.owner, a.token)
		}
		if a.late {
			continue
		}
		owned := a.share
		for _, b := range o.all[:i] {
			if a.share+b.share > o.limit() && (a.token < b.token || a.token == b.token && a.share == b.share && !o.EqualTokens) {
				t.Errorf("token %v of %s came after %v of %s", a.token, a.owner, b.token, b.owner)
			}
			if !b.to.After(a.from) || b.expired {
				continue
			}
			if owned += b.share; owned > o.limit() {
				t.Errorf("%s owned until %v, and %s from %v", b.owner, b.to, a.owner, a.from)
			}
		}
	}
}
