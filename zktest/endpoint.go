package zktest

import "net"

// An endpoint is the TCP listener of the server or of a follower. The server's mu guards
// it.
type endpoint struct {
	server   *Server
	follower *Follower    // to which its connections lead; nil for the leader
	listener net.Listener // nil while it is closed
	addr     string       // of the first listener; "" before
}

// address returns the address of the listener. The first call opens it.
func (e *endpoint) address() string {
	s := e.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.addr == "" && !s.done {
		if err := e.listen("127.0.0.1:0"); err != nil {
			panic("zktest: no free port on 127.0.0.1: " + err.Error())
		}
		if s.stopped {
			e.close()
		}
	}
	return e.addr
}

// listen opens the listener. There must not be an open one.
func (e *endpoint) listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	e.listener, e.addr = l, l.Addr().String()
	e.server.wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			if e.server.attach(nc, e.follower, nil) != nil {
				nc.Close()
			}
		}
	})
	return nil
}

// reopen opens the listener at its address, if it was open before and is closed.
func (e *endpoint) reopen() error {
	if e.addr == "" || e.listener != nil {
		return nil
	}
	return e.listen(e.addr)
}

func (e *endpoint) close() {
	if e.listener != nil {
		e.listener.Close()
		e.listener = nil
	}
}
