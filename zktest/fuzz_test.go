package zktest_test

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// FuzzRecords decodes arbitrary bytes as every kind of record. Decoding must not read past
// the end, nor use much more memory than the bytes.
func FuzzRecords(f *testing.F) {
	for name, edge := range edges {
		for _, st := range edge()[:5] {
			if name != "codes" {
				f.Add(wire.Frame(st.body(0))[4:])
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, r := range []wire.Record{&wire.ConnectRequest{}, &wire.ConnectResponse{}, &wire.RequestHeader{}, &wire.ReplyHeader{}, &wire.Stat{},
			&wire.CreateRequest{}, &wire.CreateRequest{HasTTL: true}, &wire.CreateResponse{}, &wire.Path{}, &wire.PathVersion{}, &wire.PathWatch{},
			&wire.SetDataRequest{}, &wire.GetDataResponse{}, &wire.ChildrenResponse{}, &wire.SetACLRequest{}, &wire.GetACLResponse{},
			&wire.AuthRequest{}, &wire.Token{}, &wire.SetWatches{}, &wire.SetWatches{Version2: true}, &wire.PathKind{}, &wire.WatcherEvent{},
			&wire.MultiRequest{}, &wire.MultiResponse{}} {
			if wire.Unmarshal(b, r) != nil {
				continue
			}
			wire.Frame(r) // a decoded record can be encoded
		}
	})
}

// FuzzConnection sends arbitrary bytes with and without a handshake. Afterwards the server
// must still serve other clients.
func FuzzConnection(f *testing.F) {
	for _, edge := range edges {
		var b []byte
		for i, st := range edge()[:8] {
			b = append(b, wire.Frame(&wire.RequestHeader{Xid: int32(i), Op: st.op()}, st.body(0))...)
		}
		f.Add(true, b)
	}
	f.Add(false, []byte("ruok"))
	f.Add(false, wire.Frame(&wire.ConnectRequest{Timeout: 1}))
	f.Add(true, binary.BigEndian.AppendUint32(nil, 1<<20-1))
	f.Fuzz(func(t *testing.T, greet bool, b []byte) {
		s, err := zktest.Start(zktest.WithSuperDigest(superDigest))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		nc, err := s.DialContext(t.Context(), "tcp", "zk:2181")
		if err != nil {
			t.Fatal(err)
		}
		if greet {
			nc.Write(wire.Frame(&wire.ConnectRequest{Timeout: 4000, Passwd: make([]byte, 16)}))
		}
		nc.Write(b)
		other := dialRaw(t, s)
		other.call(wire.OpGetChildren2, &wire.PathWatch{Path: "/"}, &wire.ChildrenResponse{})
		nc.Close()
		if _, err := s.Tree(), other.nc.Close(); err != nil {
			t.Error(err)
		}
	})
}

// The server stops reading requests from a client that does not read the replies.
func TestUnreadRepliesAreBounded(t *testing.T) {
	s := zktest.New(t)
	c := dialRaw(t, s)
	c.call(wire.OpCreate, &wire.CreateRequest{Path: "/big", Data: make([]byte, 1<<20-1000), ACL: world}, nil)
	s.ResetRequests()
	for range 1000 {
		c.send(wire.OpGetData, &wire.PathWatch{Path: "/big"})
	}
	other := dialRaw(t, s)
	for limit := time.Now().Add(time.Minute); len(s.Requests()) < 10 && time.Now().Before(limit); runtime.Gosched() {
		other.call(wire.OpSync, &wire.Path{Path: "/"}, nil)
	}
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	if memory.HeapInuse > 512<<20 {
		t.Errorf("%d MB in use", memory.HeapInuse>>20)
	}
}
