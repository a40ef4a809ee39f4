package zktest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
)

// ports are the ports of the first server. Zero means free ports.
type ports struct{ client, quorum, election int }

func (p ports) fixed() bool { return p != ports{} }

// addrs returns the addresses of a server, and an error if another process listens on one
// of them. A single server uses only the first.
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

// cannotListen returns the error of a server that cannot listen on addr. It mentions it if
// the system also uses the port for outgoing connections.
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

// EphemeralPorts returns the range of ports that the system uses for outgoing connections.
// If a server's port is in it, the port may be taken whenever the server starts.
func EphemeralPorts() (lowest, highest int) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		if _, err = fmt.Sscan(string(b), &lowest, &highest); err == nil {
			return lowest, highest
		}
	}
	return 49152, 65535 // the range of macOS and Windows
}

// usedAddrs holds the addresses that this process has given to servers. None is given
// twice, so that a starting server never finds another one at its address.
var usedAddrs struct {
	sync.Mutex
	addrs map[string]bool
}

// freeAddrs returns n addresses on which no process listens and that are unlikely to be
// taken before the servers use them.
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
		defer ln.Close() // only at the end, so that no port is returned twice
		if a := ln.Addr().String(); !usedAddrs.addrs[a] {
			usedAddrs.addrs[a] = true
			addrs = append(addrs, a)
		}
	}
	return addrs, nil
}

// loopback returns an address of the loopback network that only this process uses, if the
// system has more than one. Ports on it collide neither with those of other processes nor
// with outgoing connections.
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
