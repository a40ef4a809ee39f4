package zktest

import (
	"encoding/binary"
	"errors"
	"io"
	"time"
)

// joinPatience is how long a follower that is ahead of its new leader waits for
// it to listen. Without a proxy it would be refused and try again, half a
// second in all; but what a proxy accepts and then resets it takes for a
// leader that has died, and all start from the beginning.
const joinPatience = time.Second

// A peerLink is the way from one server to the ports of another. The way back
// is a link of its own.
type peerLink struct {
	from, to         *Node
	quorum, election *Proxy
}

// connectPeers makes the links between all servers.
func (c *Cluster) connectPeers() error {
	ways := make(map[[2]*Node]*peerLink)
	for _, from := range c.nodes {
		for _, to := range c.nodes {
			if from == to {
				continue
			}
			l := &peerLink{from: from, to: to}
			c.links = append(c.links, l)
			ways[[2]*Node{from, to}] = l
		}
	}
	for _, l := range c.links {
		var err error
		back := ways[[2]*Node{l.to, l.from}]
		if l.quorum, err = NewProxy(l.to.quorum, withPatience(joinPatience)); err != nil {
			return err
		}
		if l.election, err = NewProxy(l.to.election, withPreamble(electionAddress(back))); err != nil {
			return err
		}
	}
	return nil
}

func (l *peerLink) close() error {
	var errs []error
	for _, p := range []*Proxy{l.quorum, l.election} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	return errors.Join(errs...)
}

// electionAddress replaces the address that a server gives when it opens an
// election connection. Of two servers the one with the larger id keeps the
// connections that it opened itself: called by the other one, it hangs up and
// calls back, at the address it was given. That has to be the proxy.
//
// The message is a version, negative since there are addresses in it, the id
// of the server, and the length of the address with the address.
func electionAddress(back *peerLink) preamble {
	return func(r io.Reader) ([]byte, error) {
		head := make([]byte, 8+8+4)
		if _, err := io.ReadFull(r, head[:8]); err != nil {
			return nil, err
		}
		if int64(binary.BigEndian.Uint64(head)) >= 0 {
			return head[:8], nil // the id alone, from a server before 3.5
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
