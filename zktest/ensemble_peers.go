package zktest

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest/internal/proxy"
)

// joinTimeout is how long a follower waits for its new leader to listen. Without a proxy
// the connection would be refused and the follower would retry. A connection that a
// proxy accepts and then resets looks like a leader that has died, and the election
// would start again.
const joinTimeout = time.Second

// A peerLink holds the proxies through which one server reaches the ports of another.
// The opposite direction is a separate link.
type peerLink struct {
	from, to         *Node
	quorum, election *proxy.Proxy
}

// connectPeers starts the proxies between all servers.
func (c *Cluster) connectPeers() error {
	byPair := make(map[[2]*Node]*peerLink)
	for _, from := range c.nodes {
		for _, to := range c.nodes {
			if from == to {
				continue
			}
			l := &peerLink{from: from, to: to}
			c.links = append(c.links, l)
			byPair[[2]*Node{from, to}] = l
		}
	}
	for _, l := range c.links {
		var err error
		back := byPair[[2]*Node{l.to, l.from}]
		if l.quorum, err = proxy.New(l.to.quorum, proxy.Options{DialTimeout: joinTimeout}); err != nil {
			return err
		}
		if l.election, err = proxy.New(l.to.election, proxy.Options{Preamble: electionAddress(back)}); err != nil {
			return err
		}
	}
	return nil
}

func (l *peerLink) close() error {
	var errs []error
	for _, p := range []*proxy.Proxy{l.quorum, l.election} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	return errors.Join(errs...)
}

// electionAddress replaces the address that a server sends when it opens an election
// connection. Of two servers the one with the larger id keeps the connections that it
// opened itself. If the other server connects to it, it closes that connection and
// connects to the address that it was sent, which has to be the proxy's.
//
// The message is a version, which is negative if addresses follow, the id of the
// server, and the length of the address with the address.
func electionAddress(back *peerLink) proxy.Preamble {
	return func(r io.Reader) ([]byte, error) {
		head := make([]byte, 8+8+4)
		if _, err := io.ReadFull(r, head[:8]); err != nil {
			return nil, err
		}
		if int64(binary.BigEndian.Uint64(head)) >= 0 {
			return head[:8], nil // a bare id, from a server before 3.5
		}
		if _, err := io.ReadFull(r, head[8:]); err != nil {
			return nil, err
		}
		length := int64(binary.BigEndian.Uint32(head[16:]))
		if _, err := io.CopyN(io.Discard, r, length); err != nil {
			return nil, err
		}
		addr := back.election.Addr()
		binary.BigEndian.PutUint32(head[16:], uint32(len(addr)))
		return append(head, addr...), nil
	}
}
