package zktest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
)

// ports are those of the first server, or zero for any.
type ports struct{ client, quorum, election int }

func (p ports) fixed() bool { return p != ports{} }

// addrs are the addresses of a server, on which nobody must listen. A single one has
// no peers.
func (p ports) addrs(id int, single bool) ([]string, error) {
	var addrs []string
	for i, first := range []int{p.client, p.quorum, p.election} {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+id-1))
		addrs = append(addrs, addr)
		if single && i > 0 {
			continue
		}
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, cannotListen(id, addr, err)
		}
		defer ln.Close()
	}
	return addrs, nil
}

// cannotListen is the error of a server one of whose addresses is taken or may not be
// used.
func cannotListen(id int, addr string, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	hint := ""
	if _, port, _ := net.SplitHostPort(addr); port != "" {
		n, _ := strconv.Atoi(port)
		if lowest, highest := EphemeralPorts(); lowest <= n && n <= highest {
			hint = fmt.Sprintf("; ports %d to %d are also used for outgoing connections", lowest, highest)
		}
	}
	return fmt.Errorf("zktest: server %d cannot listen on %s: %w%s", id, addr, err, hint)
}

// EphemeralPorts returns the range of ports that the system gives to outgoing
// connections. A server whose port is in it may find the port taken at any start.
func EphemeralPorts() (lowest, highest int) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		if _, err = fmt.Sscan(string(b), &lowest, &highest); err == nil {
			return lowest, highest
		}
	}
	return 49152, 65535 // of macOS and Windows
}

// usedAddrs are the addresses that this process has given to servers. None is
// given twice, lest a server that starts find another one at its place.
var usedAddrs struct {
	sync.Mutex
	addrs map[string]bool
}

// freeAddrs returns n addresses that nobody listens on and that nobody is
// likely to take before the servers do.
func freeAddrs(n int) ([]string, error) {
	usedAddrs.Lock()
	defer usedAddrs.Unlock()
	if usedAddrs.addrs == nil {
		usedAddrs.addrs = make(map[string]bool)
	}
	host := loopback()
	var addrs []string
	for len(addrs) < n {
		ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, err
		}
		defer ln.Close() // only at the end, so that no port comes twice
		if a := ln.Addr().String(); !usedAddrs.addrs[a] {
			usedAddrs.addrs[a] = true
			addrs = append(addrs, a)
		}
	}
	return addrs, nil
}

// loopback returns an address of the loopback network that is this process's
// own, where the system has more than one: a port chosen there meets neither
// those of other processes nor those of outgoing connections.
func loopback() string {
	pid := os.Getpid()
	own := fmt.Sprintf("127.%d.%d.%d", 64+pid>>16&63, pid>>8&255, pid&255)
	ln, err := net.Listen("tcp", net.JoinHostPort(own, "0"))
	if err != nil {
		return "127.0.0.1"
	}
	ln.Close()
	return own
}
