package wire_test

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

var stat = wire.Stat{
	Czxid: 1, Mzxid: 2, Ctime: 3, Mtime: 4, Version: 5, Cversion: 6, Aversion: 7,
	EphemeralOwner: 8, DataLength: 9, NumChildren: 10, Pzxid: 11,
}

const statHex = "0000000000000001 0000000000000002 0000000000000003 0000000000000004 00000005 00000006 00000007" +
	"0000000000000008 00000009 0000000a 000000000000000b"

var acl = []wire.ACL{{Perms: wire.PermAll, Scheme: "world", ID: "anyone"}}

const aclHex = "00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65"

// records holds records as ZooKeeper's client and server encode them; empty is a value
// to decode into.
var records = []struct {
	name   string
	record wire.Record
	empty  wire.Record
	hex    string
}{
	{
		"connect request", &wire.ConnectRequest{LastZxidSeen: 1, Timeout: 4000, SessionID: 2, Passwd: []byte{9, 9}, HasReadOnly: true},
		&wire.ConnectRequest{}, "00000000 0000000000000001 00000fa0 0000000000000002 00000002 0909 00",
	},
	{
		"connect request of an old client", &wire.ConnectRequest{Timeout: 4000, Passwd: []byte{}},
		&wire.ConnectRequest{}, "00000000 0000000000000000 00000fa0 0000000000000000 00000000",
	},
	{
		"connect response", &wire.ConnectResponse{Timeout: 4000, SessionID: 2, Passwd: []byte{9}, ReadOnly: true, HasReadOnly: true},
		&wire.ConnectResponse{}, "00000000 00000fa0 0000000000000002 00000001 09 01",
	},
	{
		"connect response to an old client", &wire.ConnectResponse{Timeout: -1, SessionID: 2, Passwd: []byte{9}},
		&wire.ConnectResponse{}, "00000000 ffffffff 0000000000000002 00000001 09",
	},
	{"request header", &wire.RequestHeader{Xid: -2, Op: wire.OpPing}, &wire.RequestHeader{}, "fffffffe 0000000b"},
	{"reply header", &wire.ReplyHeader{Xid: 7, Zxid: 1 << 32, Err: wire.CodeNoNode}, &wire.ReplyHeader{}, "00000007 0000000100000000 ffffff9b"},
	{"stat", &stat, &wire.Stat{}, statHex},
	{"empty", &wire.Empty{}, &wire.Empty{}, ""},
	{
		"create", &wire.CreateRequest{Path: "/a", Data: []byte("x"), ACL: acl, Flags: wire.FlagEphemeralSequential},
		&wire.CreateRequest{}, "00000002 2f61 00000001 78" + aclHex + "00000003",
	},
	{
		"create of no data", &wire.CreateRequest{Path: "/a", ACL: []wire.ACL{}},
		&wire.CreateRequest{}, "00000002 2f61 ffffffff 00000000 00000000",
	},
	{
		"create with a time to live", &wire.CreateRequest{Path: "/a", Data: []byte{}, ACL: acl, Flags: wire.FlagTTL, TTL: 1000, HasTTL: true},
		&wire.CreateRequest{HasTTL: true}, "00000002 2f61 00000000" + aclHex + "00000005 00000000000003e8",
	},
	{"create response", &wire.CreateResponse{Path: "/a", Stat: stat}, &wire.CreateResponse{}, "00000002 2f61" + statHex},
	{"path", &wire.Path{Path: "/ü"}, &wire.Path{}, "00000003 2fc3bc"},
	{"path and version", &wire.PathVersion{Path: "/a", Version: -1}, &wire.PathVersion{}, "00000002 2f61 ffffffff"},
	{"path and watch", &wire.PathWatch{Path: "/a", Watch: true}, &wire.PathWatch{}, "00000002 2f61 01"},
	{"path and kind", &wire.PathKind{Path: "/a", Kind: wire.WatcherData}, &wire.PathKind{}, "00000002 2f61 00000002"},
	{"set", &wire.SetDataRequest{Path: "/a", Data: []byte("x"), Version: 3}, &wire.SetDataRequest{}, "00000002 2f61 00000001 78 00000003"},
	{"get response", &wire.GetDataResponse{Data: []byte("x"), Stat: stat}, &wire.GetDataResponse{}, "00000001 78" + statHex},
	{"list response", &wire.ChildrenResponse{Children: []string{"b", "a"}, Stat: stat}, &wire.ChildrenResponse{}, "00000002 00000001 62 00000001 61" + statHex},
	{"set ACL", &wire.SetACLRequest{Path: "/a", ACL: acl, Version: 1}, &wire.SetACLRequest{}, "00000002 2f61" + aclHex + "00000001"},
	{"get ACL response", &wire.GetACLResponse{ACL: acl, Stat: stat}, &wire.GetACLResponse{}, aclHex + statHex},
	{"auth", &wire.AuthRequest{Scheme: "digest", Auth: []byte("a:b")}, &wire.AuthRequest{}, "00000000 00000006 646967657374 00000003 613a62"},
	{
		"watches", &wire.SetWatches{RelativeZxid: 5, Data: []string{"/a"}, Exist: []string{}, Child: []string{"/b", "/c"}},
		&wire.SetWatches{}, "0000000000000005 00000001 00000002 2f61 00000000 00000002 00000002 2f62 00000002 2f63",
	},
	{
		"watches of all kinds", &wire.SetWatches{Data: []string{}, Exist: []string{}, Child: []string{}, Persistent: []string{"/p"}, PersistentRecursive: []string{"/r"}, Version2: true},
		&wire.SetWatches{Version2: true}, "0000000000000000 00000000 00000000 00000000 00000001 00000002 2f70 00000001 00000002 2f72",
	},
	{"event", &wire.WatcherEvent{Type: wire.EventDeleted, State: wire.StateConnected, Path: "/a"}, &wire.WatcherEvent{}, "00000002 00000003 00000002 2f61"},
	{
		"transaction", &wire.MultiRequest{Ops: []wire.MultiOp{
			{Op: wire.OpCheck, Body: &wire.PathVersion{Path: "/a", Version: 1}},
			{Op: wire.OpSetData, Body: &wire.SetDataRequest{Path: "/a", Data: []byte{}, Version: -1}},
			{Op: wire.OpCreate2, Body: &wire.CreateRequest{Path: "/b", Data: []byte{}, ACL: acl}},
			{Op: wire.OpCreateTTL, Body: &wire.CreateRequest{Path: "/b", Data: []byte{}, ACL: acl, TTL: 1, HasTTL: true}},
			{Op: wire.OpDelete, Body: &wire.PathVersion{Path: "/c", Version: -1}},
			{Op: wire.OpGetData, Body: &wire.PathWatch{Path: "/d"}},
		}}, &wire.MultiRequest{},
		"0000000d 00 ffffffff 00000002 2f61 00000001" +
			"00000005 00 ffffffff 00000002 2f61 00000000 ffffffff" +
			"0000000f 00 ffffffff 00000002 2f62 00000000" + aclHex + "00000000" +
			"00000015 00 ffffffff 00000002 2f62 00000000" + aclHex + "00000000 0000000000000001" +
			"00000002 00 ffffffff 00000002 2f63 ffffffff" +
			"00000004 00 ffffffff 00000002 2f64 00" +
			"ffffffff 01 ffffffff",
	},
	{
		"transaction response", &wire.MultiResponse{Results: []wire.MultiResult{
			{Op: wire.OpCheck},
			{Op: wire.OpSetData, Stat: stat},
			{Op: wire.OpCreate, Path: "/b"},
			{Op: wire.OpCreate2, Path: "/b", Stat: stat},
			{Op: wire.OpDelete},
			{Op: wire.OpGetData, Data: []byte("x"), Stat: stat},
			{Op: wire.OpGetChildren, Children: []string{"c"}},
		}}, &wire.MultiResponse{},
		"0000000d 00 00000000" + "00000005 00 00000000" + statHex + "00000001 00 00000000 00000002 2f62" +
			"0000000f 00 00000000 00000002 2f62" + statHex + "00000002 00 00000000" +
			"00000004 00 00000000 00000001 78" + statHex + "00000008 00 00000000 00000001 00000001 63" + "ffffffff 01 ffffffff",
	},
	{
		"failed transaction", &wire.MultiResponse{Results: []wire.MultiResult{
			{Op: wire.OpError}, {Op: wire.OpError, Err: wire.CodeBadVersion}, {Op: wire.OpError, Err: wire.CodeRuntimeInconsistency},
		}}, &wire.MultiResponse{},
		"ffffffff 00 00000000 00000000 ffffffff 00 ffffff99 ffffff99 ffffffff 00 fffffffe fffffffe ffffffff 01 ffffffff",
	},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRecords(t *testing.T) {
	for _, tt := range records {
		t.Run(tt.name, func(t *testing.T) {
			want := unhex(t, tt.hex)
			frame := wire.Frame(tt.record)
			if n := len(frame) - 4; int(frame[3])+int(frame[2])<<8 != n {
				t.Errorf("length %x before %d bytes", frame[:4], n)
			}
			if diff := cmp.Diff(want, frame[4:]); diff != "" {
				t.Fatalf("encoded (-want +got):\n%s", diff)
			}
			if err := wire.Unmarshal(want, tt.empty); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.record, tt.empty); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
		})
	}
}

// A truncated record is an error and not a panic.
func TestTruncatedRecords(t *testing.T) {
	for _, tt := range records {
		full := unhex(t, tt.hex)
		for n := range full {
			r := clone(tt.empty)
			err := wire.Unmarshal(full[:n], r)
			// Old peers omit the last byte of a handshake.
			if optional := strings.HasPrefix(tt.name, "connect") && n == len(full)-1; err == nil != (optional && !strings.HasSuffix(tt.name, "old client")) {
				t.Errorf("%s: %d of %d bytes: %v", tt.name, n, len(full), err)
			}
			if err != nil && !errors.Is(err, wire.ErrShort) {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	}
}

// clone is a new record of the same kind to decode into.
func clone(r wire.Record) wire.Record {
	switch r := r.(type) {
	case *wire.CreateRequest:
		return &wire.CreateRequest{HasTTL: r.HasTTL}
	case *wire.SetWatches:
		return &wire.SetWatches{Version2: r.Version2}
	}
	return reflect.New(reflect.TypeOf(r).Elem()).Interface().(wire.Record)
}

// Impossible lengths cause neither an allocation nor a panic.
func TestAbsurdLengths(t *testing.T) {
	for _, length := range []string{"7fffffff", "80000000", "fffffffe", "00000010"} {
		b := unhex(t, length+"00000000")
		for _, r := range []wire.Record{
			&wire.Path{}, &wire.GetDataResponse{}, &wire.ChildrenResponse{}, &wire.GetACLResponse{},
		} {
			if err := wire.Unmarshal(b, r); !errors.Is(err, wire.ErrShort) {
				t.Errorf("%T of length %s: %v", r, length, err)
			}
		}
	}
	if err := wire.Unmarshal(unhex(t, "0000004d 00 ffffffff"), &wire.MultiRequest{}); !errors.Is(err, wire.ErrShort) {
		t.Errorf("an unknown operation: %v", err)
	}
	if err := wire.Unmarshal(unhex(t, "0000004d 00 ffffffff"), &wire.MultiResponse{}); !errors.Is(err, wire.ErrShort) {
		t.Errorf("the result of an unknown operation: %v", err)
	}
}

// Null, which some peers send for an empty value, is decoded as empty.
func TestNull(t *testing.T) {
	var p wire.Path
	var c wire.ChildrenResponse
	var g wire.GetDataResponse
	if err := wire.Unmarshal(unhex(t, "ffffffff"), &p); err != nil || p.Path != "" {
		t.Errorf("%q, %v", p.Path, err)
	}
	if err := wire.Unmarshal(unhex(t, "ffffffff"+statHex), &c); err != nil || len(c.Children) != 0 {
		t.Errorf("%q, %v", c.Children, err)
	}
	if err := wire.Unmarshal(unhex(t, "ffffffff"+statHex), &g); err != nil || g.Data != nil {
		t.Errorf("%q, %v", g.Data, err)
	}
	if err := wire.Unmarshal(unhex(t, "00000000"+statHex), &g); err != nil || g.Data == nil {
		t.Errorf("%v, %v", g.Data, err)
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		wire.OpCreate2.String(): "create2", wire.OpMulti.String(): "multi", wire.OpClose.String(): "closeSession", wire.Op(77).String(): "op(77)",
		wire.CodeNoNode.String(): "no such node", wire.CodeThrottled.String(): "request throttled by the server", wire.Code(-999).String(): "error code -999",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A record that was decoded and encoded again decodes to the same record.
func FuzzRecords(f *testing.F) {
	for _, tt := range records {
		f.Add(unhex(f, tt.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, tt := range records {
			one, two := clone(tt.empty), clone(tt.empty)
			if wire.Unmarshal(b, one) != nil {
				continue
			}
			frame := wire.Frame(one)[4:]
			if err := wire.Unmarshal(frame, two); err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if diff := cmp.Diff(one, two); diff != "" {
				t.Fatalf("%s (-one +two):\n%s", tt.name, diff)
			}
		}
	})
}
