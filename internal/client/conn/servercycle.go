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

// A serverCycle returns every server once per cycle, in random order. With the default
// dialer each address of a host is a separate server, and a host is looked up once in each
// cycle. A custom dialer gets the names.
type serverCycle struct {
	cfg  *Config
	left []target
	last target // returned last; it is the last of the next cycle
}

func newServerCycle(cfg *Config) *serverCycle { return &serverCycle{cfg: cfg} }

// over reports whether every server of the cycle has been returned.
func (y *serverCycle) over() bool { return len(y.left) == 0 }

// begin starts the next cycle.
func (y *serverCycle) begin() {
	y.left = y.left[:0]
	for _, server := range y.cfg.Servers {
		t := target{server: server, label: server}
		if y.cfg.Lookup == nil {
			t.addr = server
		}
		y.left = append(y.left, t)
	}
	y.shuffle(y.left)
}

// next returns the next target. If the lookup of its host fails, it returns the error and
// the target without an address.
func (y *serverCycle) next(ctx context.Context) (target, error) {
	t := y.left[0]
	y.left = y.left[1:]
	if t.addr == "" {
		found, err := y.find(ctx, t)
		if err != nil {
			y.last = t
			return t, err
		}
		t = found[0]
		if len(found) > 1 {
			y.left = append(y.left, found[1:]...)
			y.shuffle(y.left)
		}
	}
	y.last = t
	return t, nil
}

// find looks up the host of t and returns a target for each address.
func (y *serverCycle) find(ctx context.Context, t target) ([]target, error) {
	host, port, err := net.SplitHostPort(t.server)
	if err != nil {
		return nil, err
	}
	ips, err := y.cfg.Lookup(ctx, host)
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
	y.shuffle(found)
	return found, nil
}

// shuffle puts targets in random order, except that the one that next returned last is at
// the end.
func (y *serverCycle) shuffle(targets []target) {
	rand.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	slices.SortStableFunc(targets, func(a, b target) int { return y.recent(a) - y.recent(b) })
}

func (y *serverCycle) recent(t target) int {
	if t.server == y.last.server && (t.addr == "" || t.addr == y.last.addr) {
		return 1
	}
	return 0
}
