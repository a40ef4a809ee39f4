package session_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// With WithMaxBuffer a session writes and reads what servers with a larger
// jute.maxbuffer accept.
func TestMaxBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const buffer = 4 << 20
		s := serve(t, zktest.WithMaxBuffer(buffer))
		z := open(t, s, session.WithMaxBuffer(buffer))
		if z.MaxBuffer() != buffer || z.MaxPayload() != buffer+1-16<<10 {
			t.Errorf("MaxBuffer %d, MaxPayload %d", z.MaxBuffer(), z.MaxPayload())
		}
		data := bytes.Repeat([]byte("x"), z.MaxPayload())
		testkit.Create(t, z, "/n", "")
		if _, err := z.Set(t.Context(), "/n", data, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		if _, err := z.TxnWithReceipt(t.Context(), session.OpCreate("/m", data)); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/n", "/m"} {
			if got, _, err := z.Get(t.Context(), path); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %d bytes, %v", path, len(got), err)
			}
		}
		_, err := z.Set(t.Context(), "/n", make([]byte, buffer), session.AnyVersion)
		testkit.WantError(t, err, session.ErrInvalid)
		if !strings.Contains(err.Error(), "4194304") {
			t.Errorf("the error does not name the limit: %v", err)
		}
		_, err = z.Txn(t.Context(), session.OpSet("/n", data, session.AnyVersion), session.OpSet("/m", data, session.AnyVersion))
		testkit.WantError(t, err, session.ErrInvalid)
		if n := count(s, "connect"); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestMaxBufferByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := open(t, serve(t))
		if z.MaxBuffer() != 1048575 || z.MaxPayload() != 1032192 {
			t.Errorf("MaxBuffer %d, MaxPayload %d", z.MaxBuffer(), z.MaxPayload())
		}
	})
}

func TestBadMaxBuffer(t *testing.T) {
	for _, n := range []int{-1, 0, 1048574, 1<<30 + 1} {
		_, err := session.Connect(t.Context(), "zk1:2181", session.WithMaxBuffer(n))
		testkit.WantError(t, err, session.ErrInvalid)
	}
}

// A reply over the limit makes only its call fail, which is not repeated. The connection is
// not broken.
func TestReplyTooLarge(t *testing.T) {
	const limit = 256 << 20
	replies := make(chan int, 1)
	f := newFake(t, func(_ int, c *fakeConn) {
		c.hello()
		c.welcome(1, 60_000) // a reply must arrive within two thirds of the timeout
		for n := 0; ; {
			h, _, ok := c.request()
			if !ok {
				return
			}
			if h.Op != wire.OpGetChildren2 {
				if h.Op == wire.OpClose {
					c.reply(h.Xid, wire.OK, nil)
					return
				}
				c.reply(h.Xid, wire.OK, &wire.GetDataResponse{Data: []byte("x")})
				continue
			}
			n++
			select {
			case replies <- n:
			default:
				<-replies
				replies <- n
			}
			frame := binary.BigEndian.AppendUint32(nil, limit+1)
			frame = append(frame, wire.Frame(&wire.ReplyHeader{Xid: h.Xid, Zxid: 1})[4:]...)
			c.Write(frame)
			rest := make([]byte, 1<<20)
			for left := limit + 1 - wire.ReplyHeaderLen; left > 0; left -= len(rest) {
				rest = rest[:min(left, len(rest))]
				c.Write(rest)
			}
		}
	})
	z := openAt(t, "zk1:2181", session.WithDialer(f.DialContext))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, _, err := z.Children(ctx, "/many")
	testkit.WantError(t, err, session.ErrTooLarge)
	for _, n := range []string{"268435457", "268435456"} {
		if !strings.Contains(err.Error(), n) {
			t.Errorf("the error does not name %s: %v", n, err)
		}
	}
	if n := <-replies; n != 1 {
		t.Errorf("%d requests", n)
	}
	if data, _, err := z.Get(ctx, "/n"); string(data) != "x" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if n := f.Dials(); n != 1 {
		t.Errorf("%d connections", n)
	}
}
