package bench

import (
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// Traffic is what one or more sessions have sent and received.
type Traffic struct {
	Requests   int64
	RoundTrips int64 // sequences of requests that were in flight at the same time
	Sent       int64 // bytes
	Received   int64 // bytes
}

func (t Traffic) add(u Traffic) Traffic {
	return Traffic{t.Requests + u.Requests, t.RoundTrips + u.RoundTrips, t.Sent + u.Sent, t.Received + u.Received}
}

func (t Traffic) subtract(u Traffic) Traffic {
	return t.add(Traffic{-u.Requests, -u.RoundTrips, -u.Sent, -u.Received})
}

// counter counts the traffic of one session.
type counter struct {
	mu      sync.Mutex
	traffic Traffic
	// lastEnd is the end of the last round trip: of the reply that ended it. A request
	// that was sent before belongs to the same round trip.
	lastEnd time.Time
}

// ended counts a request that has ended now. It is a hook for session.Hooks.Request.
// Calls are in the order in which the requests ended.
func (c *counter) ended(r session.RequestInfo) { c.endedAt(time.Now(), r) }

func (c *counter) endedAt(now time.Time, r session.RequestInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.traffic = c.traffic.add(Traffic{Requests: 1, Sent: int64(r.Sent), Received: int64(r.Received)})
	// This counts as many requests as possible of which none overlaps another one.
	if sent := now.Add(-r.Duration); !sent.Before(c.lastEnd) {
		c.traffic.RoundTrips++
		c.lastEnd = now
	}
}

func (c *counter) load() Traffic {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.traffic
}
