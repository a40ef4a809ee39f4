package doctor

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// A probe is a connection with a separate ZooKeeper session, for requests that package
// session does not send, and on which a server may close the connection. The probe then
// resumes its session, so that close can end it.
type probe struct {
	cfg    *Config
	server string
	addr   string

	nc     net.Conn // nil if the connection is broken
	id     int64
	passwd []byte
	xid    int32
}

// errClosed is the error of a request on which the server closed the connection.
var errClosed = errors.New("the server closed the connection")

// openProbe connects and opens a session.
func openProbe(ctx context.Context, cfg *Config, server, addr string) (*probe, error) {
	p := &probe{cfg: cfg, server: server, addr: addr, passwd: make([]byte, 16)}
	if err := p.connect(ctx); err != nil {
		p.close(ctx)
		return nil, err
	}
	return p, nil
}

// connect opens the session, or resumes it on a new connection. If ctx is done while a session
// is being opened, connect waits for the reply, without which close could not end the session.
func (p *probe) connect(ctx context.Context) error {
	p.disconnect()
	nc, err := p.cfg.dial(ctx, p.server, p.addr)
	if err != nil {
		return ended(ctx, err)
	}
	p.nc = nc
	patient, cancel := lingering(ctx, p.cfg.CloseTimeout)
	defer cancel()
	defer p.bound(patient)()
	var resp wire.ConnectResponse
	request := &wire.ConnectRequest{Timeout: int32(p.cfg.Timeout.Milliseconds()), SessionID: p.id, Passwd: p.passwd, HasReadOnly: true}
	frame, err := p.exchange(wire.Frame(request))
	if err == nil {
		err = wire.Unmarshal(frame, &resp)
	}
	if err == nil && resp.SessionID == 0 {
		err = errors.New("the server did not open a session")
	}
	if err != nil {
		p.disconnect()
		return ended(ctx, err)
	}
	p.id, p.passwd = resp.SessionID, resp.Passwd
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, a := range p.cfg.Auth {
		code, err := p.call(ctx, wire.OpAuth, &wire.AuthRequest{Scheme: a.Scheme, Auth: a.Data}, nil)
		if err == nil && code != wire.OK {
			err = errors.New(code.String())
		}
		if err != nil {
			p.disconnect()
			return err
		}
	}
	return nil
}

// bound makes reads and writes fail when ctx is done, until the result is called.
func (p *probe) bound(ctx context.Context) (stop func() bool) {
	nc := p.nc
	return context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
}

func (p *probe) disconnect() {
	if p.nc != nil {
		p.nc.Close()
		p.nc = nil
	}
}

// exchange sends a frame and returns the next one that comes in.
func (p *probe) exchange(frame []byte) ([]byte, error) {
	if _, err := p.nc.Write(frame); err != nil {
		return nil, err
	}
	return p.read()
}

func (p *probe) read() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(p.nc, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxAnswer {
		return nil, fmt.Errorf("a reply of %d bytes", n)
	}
	frame := make([]byte, n)
	_, err := io.ReadFull(p.nc, frame)
	return frame, err
}

// call sends a request and returns the code of its reply. reply may be nil. The error is
// errClosed if the server closed the connection.
func (p *probe) call(ctx context.Context, op wire.Op, body, reply wire.Record) (wire.Code, error) {
	if p.nc == nil {
		if err := p.connect(ctx); err != nil {
			return 0, err
		}
	}
	defer p.bound(ctx)()
	p.xid++
	header := wire.RequestHeader{Xid: p.xid, Op: op}
	if op == wire.OpAuth {
		header.Xid = wire.XidAuth
	}
	frame, err := p.exchange(wire.Frame(&header, body))
	for err == nil {
		var got wire.ReplyHeader
		if err = wire.Unmarshal(frame, &got); err != nil {
			break
		}
		if got.Xid == header.Xid {
			if reply != nil && got.Err == wire.OK {
				err = wire.Unmarshal(frame[wire.ReplyHeaderLen:], reply)
			}
			return got.Err, err
		}
		frame, err = p.read() // an event
	}
	p.disconnect()
	var timeout net.Error
	if ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout() {
		return 0, ended(ctx, err)
	}
	return 0, fmt.Errorf("%w: %w", errClosed, err)
}

// supports sends a request and reports whether the server knows its operation. A server
// refuses an operation with a code, or it closes the connection. Since a connection may also
// break for other reasons, the request is then sent again.
func (p *probe) supports(ctx context.Context, op wire.Op, body, reply wire.Record) Answer {
	var code wire.Code
	var err error
	for range 2 {
		if code, err = p.call(ctx, op, body, reply); !errors.Is(err, errClosed) {
			break
		}
		if p.connect(ctx) != nil {
			return Unknown
		}
	}
	switch {
	case errors.Is(err, errClosed):
		return No
	case err != nil, code == wire.CodeSASLRequired:
		return Unknown
	case code == wire.CodeUnimplemented, code == wire.CodeBadArguments:
		return No
	}
	return Yes
}

// abilities asks for everything that differs between servers. It creates no node: the parent
// of the nodes does not exist, and servers look at the operation first. It sets one watch, on
// a node that does not exist, and ends it.
func (p *probe) abilities(ctx context.Context) Abilities {
	missing := p.cfg.Chroot + "/zkr-doctor-" + rand.Text()
	create := func(flags int32) *wire.CreateRequest {
		return &wire.CreateRequest{Path: missing + "/n", Data: []byte{}, ACL: openACL, Flags: flags}
	}
	ttl := create(wire.FlagTTL)
	ttl.TTL, ttl.HasTTL = time.Hour.Milliseconds(), true
	a := Abilities{
		Create2:    p.supports(ctx, wire.OpCreate2, create(wire.FlagPersistent), nil),
		Containers: p.supports(ctx, wire.OpCreateContainer, create(wire.FlagContainer), nil),
		TTL:        p.supports(ctx, wire.OpCreateTTL, ttl, nil),
		AddWatch:   p.supports(ctx, wire.OpAddWatch, &wire.PathKind{Path: missing}, nil),
	}
	if a.AddWatch == Yes {
		p.call(ctx, wire.OpRemoveWatches, &wire.PathKind{Path: missing, Kind: wire.WatcherAny}, nil) // the end of the connection removes it, too
	}
	a.SASL = p.sasl(ctx)
	return a
}

var openACL = []wire.ACL{{Perms: wire.PermAll, Scheme: "world", ID: "anyone"}}

// sasl reports whether the server offers SASL. Without a mechanism it answers with an empty
// token. A mechanism answers with a challenge, or fails because the client's token is empty.
func (p *probe) sasl(ctx context.Context) Answer {
	var token wire.Token
	code, err := p.call(ctx, wire.OpSASL, &wire.Token{Token: []byte{}}, &token)
	switch {
	case errors.Is(err, errClosed):
		return No
	case err != nil:
		return Unknown
	case code == wire.OK && len(token.Token) > 0, code == wire.CodeAuthFailed:
		p.disconnect() // an exchange has begun
		return Yes
	}
	return No
}

// maxBuffer finds out how long requests may be that the server accepts, up to the longest
// that the client sends. It reads a node whose long name does not exist.
func (p *probe) maxBuffer(ctx context.Context) (*Limit, error) {
	most := p.cfg.MaxBuffer
	fits, err := p.accepts(ctx, most)
	if err != nil {
		return nil, err
	}
	if fits {
		return &Limit{Bytes: most}, nil
	}
	low, high := 0, most // low is accepted, high is not
	for high-low > 1 {
		middle := low + (high-low)/2
		if middle < shortestRequest {
			low = middle
			continue
		}
		fits, err := p.accepts(ctx, middle)
		switch {
		case err != nil:
			return nil, err
		case fits:
			low = middle
		default:
			high = middle
		}
	}
	return &Limit{Bytes: low, Exact: true}, nil
}

// shortestRequest is the size of a request of accepts with a path of one character.
const shortestRequest = 8 + 4 + 1 + 1

// accepts reports whether the server accepts a request of the given size.
func (p *probe) accepts(ctx context.Context, size int) (bool, error) {
	path := "/" + strings.Repeat("z", size-shortestRequest)
	for range 2 { // a connection may also break for other reasons
		_, err := p.call(ctx, wire.OpExists, &wire.PathWatch{Path: path}, nil)
		if !errors.Is(err, errClosed) {
			return err == nil, err
		}
		if err := p.connect(ctx); err != nil {
			return false, err
		}
	}
	return false, nil
}

// close ends the session, also if ctx is done, and waits for the server's confirmation for
// the close timeout at most.
func (p *probe) close(ctx context.Context) {
	if p.id == 0 {
		p.disconnect()
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.CloseTimeout)
	defer cancel()
	p.call(ctx, wire.OpClose, &wire.Empty{}, nil) // if it fails, the session expires
	p.disconnect()
}
