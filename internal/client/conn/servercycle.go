package conn

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
)

// A target is one address to dial.
type target struct {
	server string // host:port as in the connect string; TLS checks this name
	addr   string // host:port to dial; empty until the host is looked up
	label  string // for errors and logs: the server, with the address if the host has several
}

// A serverCycle returns every server once per round, in random order. With the default
// dialer each address of a host is a separate server, and a host is looked up once in each
// round. A custom dialer gets the names.
type serverCycle struct {
	cfg  *Config
	left []target
	last target // returned last; it is the last of the next round
}

func newServerCycle(cfg *Config) *serverCycle { return &serverCycle{cfg: cfg} }

// over reports whether every server of the round has been returned.
func (r *serverCycle) over() bool { return len(r.left) == 0 }

// begin starts the next round.
func (r *serverCycle) begin() {
	r.left = r.left[:0]
	for _, server := range r.cfg.Servers {
		t := target{server: server, label: server}
		if r.cfg.Lookup == nil {
			t.addr = server
		}
		r.left = append(r.left, t)
	}
	r.shuffle(r.left)
}

// next returns the next target. If the lookup of its host fails, it returns the error and
// the target without an address.
func (r *serverCycle) next(ctx context.Context) (target, error) {
	t := r.left[0]
	r.left = r.left[1:]
	if t.addr == "" {
		found, err := r.find(ctx, t)
		if err != nil {
			r.last = t
			return t, err
		}
		t = found[0]
		if len(found) > 1 {
			r.left = append(r.left, found[1:]...)
			r.shuffle(r.left)
		}
	}
	r.last = t
	return t, nil
}

// find looks up the host of t and returns a target for each address.
func (r *serverCycle) find(ctx context.Context, t target) ([]target, error) {
	host, port, err := net.SplitHostPort(t.server)
	if err != nil {
		return nil, err
	}
	ips, err := r.cfg.Lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	slices.Sort(ips)
	ips = slices.Compact(ips)
	if len(ips) == 0 {
		return nil, &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	var found []target
	for _, ip := range ips {
		t.addr = net.JoinHostPort(ip, port)
		if len(ips) > 1 {
			t.label = fmt.Sprintf("%s (%s)", t.server, ip)
		}
		found = append(found, t)
	}
	r.shuffle(found)
	return found, nil
}

// shuffle puts targets in random order, except that the one that next returned last is at
// the end.
func (r *serverCycle) shuffle(targets []target) {
	rand.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	slices.SortStableFunc(targets, func(a, b target) int { return r.recent(a) - r.recent(b) })
}

func (r *serverCycle) recent(t target) int {
	if t.server == r.last.server && (t.addr == "" || t.addr == r.last.addr) {
		return 1
	}
	return 0
}
