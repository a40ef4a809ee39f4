package conn

import (
	"errors"
	"fmt"
	"net"
)

// Tries records the failures of a request. All calls that send the same request again
// share it.
//
// A server closes the connection on a request that is too long for it or that it does not
// know, each time the request is sent. So a request that was in flight when the server
// closed the connection is a suspect. It is sent again with no other request in flight, on
// a connection that has answered something else. If the server closes the connection twice
// in this case, the request fails with ErrRejected. Replies that cannot be decoded are
// counted in the same way.
//
// Only the transport on which the request is in flight uses it.
type Tries struct {
	suspect   bool
	closes    int // of the connection, while the request was sent alone
	malformed int // replies
}

// failuresToReject is how many such failures make a request fail.
const failuresToReject = 2

// closed is called when the server has closed the connection on which c was in flight.
// alone reports that c was a suspect and no other request was in flight.
func (c *Call) closed(alone bool) {
	a := c.Tries
	if a.suspect = true; !alone {
		return
	}
	if a.closes++; a.closes >= failuresToReject {
		c.Err = fmt.Errorf("%w: %v with %d bytes: the connection is closed each time; either the request is longer than the server's jute.maxbuffer, or the server does not know the operation",
			ErrRejected, c.Op, c.Size)
	}
}

// garbled is called when the reply to c cannot be decoded.
func (c *Call) garbled(reason error) {
	c.Err = fmt.Errorf("%w: %w", errConnectionLost, reason)
	if c.Tries.malformed++; c.Tries.malformed >= failuresToReject {
		c.Err = fmt.Errorf("%w: %v with %d bytes: the reply cannot be decoded: %w", ErrRejected, c.Op, c.Size, reason)
	}
}

// closedByServer reports whether a connection that broke for this reason was closed for an
// unknown reason, and not because it was silent for too long or closed by the session.
func closedByServer(reason error) bool {
	var n net.Error
	return !errors.Is(reason, net.ErrClosed) && !errors.Is(reason, errOperationRefused) && !(errors.As(reason, &n) && n.Timeout())
}
