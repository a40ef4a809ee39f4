//go:build ensemble

package zktest_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// TestHandshakesAreTheSame compares the replies to handshakes of every kind.
func TestHandshakesAreTheSame(t *testing.T) {
	addr, version := realServer(t)
	if diff := cmp.Diff(handshakes(t, addr), handshakes(t, serverLikeReal(t, version).Addr())); diff != "" {
		t.Errorf("real -, zktest +:\n%s", diff)
	}
}

func handshakes(t *testing.T, addr string) map[string]string {
	first := &scriptClient{}
	if err := first.connect(addr, wire.ConnectRequest{Timeout: 30000, Passwd: make([]byte, 16)}); err != nil {
		t.Fatal(err)
	}
	defer func() { first.nc.Close() }()
	known, passwd := first.session.SessionID, first.session.Passwd
	frames := make(map[string][]byte)
	for name, req := range map[string]wire.ConnectRequest{
		"new":                  {Timeout: 4000, Passwd: make([]byte, 16)},
		"flag":                 {Timeout: 4000, Passwd: make([]byte, 16), HasReadOnly: true},
		"read-only":            {Timeout: 4000, Passwd: make([]byte, 16), HasReadOnly: true, ReadOnly: true},
		"short":                {Timeout: 1, Passwd: make([]byte, 16)},
		"long":                 {Timeout: 1 << 30, Passwd: make([]byte, 16)},
		"negative":             {Timeout: -5, Passwd: make([]byte, 16)},
		"no password":          {Timeout: 4000},
		"short password":       {Timeout: 4000, Passwd: []byte{1}},
		"protocol":             {Timeout: 4000, ProtocolVersion: 7, Passwd: make([]byte, 16)},
		"future":               {Timeout: 4000, LastZxidSeen: 1 << 50, Passwd: make([]byte, 16)},
		"unknown":              {Timeout: 4000, SessionID: 4711, Passwd: passwd},
		"wrong password":       {Timeout: 4000, SessionID: known, Passwd: make([]byte, 16)},
		"none for a session":   {Timeout: 4000, SessionID: known},
		"too much of password": {Timeout: 4000, SessionID: known, Passwd: append(passwd, 0)},
		"resumed":              {Timeout: 5000, SessionID: known, Passwd: passwd, HasReadOnly: true},
	} {
		frames[name] = wire.Frame(&req)
	}
	frames["empty"] = make([]byte, 4)
	frames["three bytes"] = append(binary.BigEndian.AppendUint32(nil, 3), 1, 2, 3)
	frames["negative length"] = binary.BigEndian.AppendUint32(nil, 1<<31)
	frames["over the limit"] = binary.BigEndian.AppendUint32(nil, 0xfffff+1)
	frames["bytes behind"] = append(binary.BigEndian.AppendUint32(nil, 49), append(wire.Frame(&wire.ConnectRequest{Timeout: 4000, Passwd: make([]byte, 16), HasReadOnly: true})[4:], 1, 2, 3, 4)...)
	answers := make(map[string]string)
	for name, frame := range frames {
		answers[name] = handshake(t, addr, frame, known)
	}
	return answers
}

// handshake describes the reply to a frame and whether the connection stays open.
func handshake(t *testing.T, addr string, frame []byte, known int64) string {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	a := &scriptClient{nc: nc}
	nc.Write(frame)
	b, err := a.frame()
	if err != nil {
		return "closed"
	}
	var hi wire.ConnectResponse
	if err := wire.Unmarshal(b, &hi); err != nil {
		return err.Error()
	}
	whose := "new"
	switch hi.SessionID {
	case 0:
		whose = "none"
	case known:
		whose = "known"
	}
	nc.Write(wire.Frame(&wire.RequestHeader{Xid: wire.XidPing, Op: wire.OpPing}))
	_, err = a.frame()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("session %s: neither an answer nor an end", whose)
	}
	return fmt.Sprintf("%d bytes, protocol %d, timeout %d, session %s, password of %d, read-only %v %v, stays %v", len(b), hi.ProtocolVersion,
		hi.Timeout, whose, len(hi.Passwd), hi.HasReadOnly, hi.ReadOnly, err == nil)
}
