package tasks

import (
	"context"
	"math/rand/v2"
	"time"
)

// How long to wait before what has failed by chance is tried again.
const (
	shortestPause = 50 * time.Millisecond
	longestPause  = 5 * time.Second
)

// pause grows with every failure in a row.
type pause struct{ length time.Duration }

// after waits after a failure of what began then. One that has lasted is the first
// of its row.
func (p *pause) after(ctx context.Context, began time.Time) {
	if time.Since(began) > longestPause {
		p.length = 0
	}
	p.length = min(max(2*p.length, shortestPause), longestPause)
	t := time.NewTimer(p.length/2 + rand.N(p.length/2))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
