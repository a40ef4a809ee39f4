package registry_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The size of TestChurn. What docs say of 100 services of 50 instances is measured
// with -churn 100x50x200.
var churn = flag.String("churn", "10x10x20", "services x instances of each x watchers in TestChurn")

// Many services with many watchers. A reconnect hides no instance. Then one instance
// in a hundred is restarted per second, and each change costs the servers only the
// requests that it needs. It runs in virtual time.
func TestChurn(t *testing.T) {
	var services, instances, watchers int
	if _, err := fmt.Sscanf(*churn, "%dx%dx%d", &services, &instances, &watchers); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(time.Second))
		var requests tally
		srv.Fault(requests.count)
		service := func(i int) string { return fmt.Sprint("service ", i) }

		// Instances on one session for each service's worth, watchers ten to one.
		registrations := make([]*registry.Registration, services*instances)
		registries := make([]*registry.Registry, services)
		var sessions []*session.Session
		for i := range services {
			s := srv.Session(t)
			sessions, registries[i] = append(sessions, s), registry.New(s, root)
		}
		var all sync.WaitGroup
		for n := range registrations {
			all.Go(func() {
				registrations[n] = register(t, registries[n%services], registry.Instance{
					Service: service(n / instances), ID: fmt.Sprintf("%04d", n%instances), Meta: map[string]string{"zone": "a"},
				})
			})
		}
		all.Wait()
		var seen []*smallest
		for n := range watchers {
			if n%10 == 0 {
				sessions = append(sessions, srv.Session(t))
			}
			seen = append(seen, follow(t, registry.New(sessions[len(sessions)-1], root), service(n%services)))
		}
		time.Sleep(time.Minute)

		requests.reset()
		for _, s := range sessions { // everybody is cut off, and comes back
			remove := srv.Inject(zktest.Rule{Session: s.Status().ID, Nth: 1, Fault: zktest.Cut})
			if err := s.Sync(t.Context(), "/"); err != nil {
				t.Fatal(err)
			}
			remove()
		}
		time.Sleep(time.Minute)
		for _, c := range seen {
			c.check(t, instances)
		}
		t.Logf("a reconnect of %d sessions: %d requests: %v", len(sessions), requests.total(), &requests)

		const seconds = 60
		requests.reset()
		restarts := 0
		begun := time.Now()
		for range seconds {
			for range max(1, services*instances/100) {
				restarts++
				n := restarts * 37 % len(registrations)
				all.Go(func() {
					in := registrations[n].Instance()
					deregister(t, registrations[n])
					time.Sleep(200 * time.Millisecond)
					ctx, cancel := context.WithTimeout(t.Context(), testkit.Limit)
					defer cancel()
					g, err := registries[n%services].Register(ctx, in)
					if err != nil {
						t.Error(err)
						return
					}
					registrations[n] = g
				})
			}
			all.Wait()
			time.Sleep(time.Second - time.Since(begun)%time.Second)
		}
		rate := float64(requests.total()) / seconds
		t.Logf("%d services of %d instances, %d watchers, %d restarts per second: %.0f requests per second, %.1f per restart: %v",
			services, instances, watchers, restarts/seconds, rate, float64(requests.total())/float64(restarts), &requests)
		// A restart is five requests of the one that does it: a delete, a create, and
		// watches that are set and given up. Each watcher lists twice and reads once.
		most := float64(restarts) * (5 + 3*float64(watchers)/float64(services))
		if float64(requests.total()) > 1.1*most {
			t.Errorf("%d requests, more than %.0f", requests.total(), most)
		}
		time.Sleep(time.Minute)
		for _, c := range seen {
			c.Lock()
			if len(c.last) != instances {
				t.Errorf("it shows %d instances in the end", len(c.last))
			}
			c.Unlock()
		}
	})
}

// tally counts requests by kind.
type tally struct {
	mu sync.Mutex
	by map[string]int
}

func (c *tally) count(r zktest.Request) zktest.Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[string]int)
	}
	c.by[r.Op]++
	return zktest.Pass
}

func (c *tally) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by = nil
}

func (c *tally) total() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.by {
		n += k
	}
	return n
}

func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := ""
	for _, op := range slices.Sorted(maps.Keys(c.by)) {
		s += fmt.Sprintf("%s %d ", op, c.by[op])
	}
	return s
}
