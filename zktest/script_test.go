package zktest_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// A step is a step of one client in a script: a request, named by its operation, or an event
// of its session.
type step struct {
	Client  int    `json:"c"`
	Do      string `json:"do"`
	Path    string `json:"path,omitempty"`
	Data    string `json:"data,omitempty"` // also of auth
	Scheme  string `json:"scheme,omitempty"`
	Version int32  `json:"version,omitempty"`
	Flags   int32  `json:"flags,omitempty"`
	TTL     int64  `json:"ttl,omitempty"`
	ACL     string `json:"acl,omitempty"` // perms:scheme:id, entries separated by commas; "" for none
	Watch   bool   `json:"watch,omitempty"`
	Kind    int32  `json:"kind,omitempty"`
	Since   int64  `json:"since,omitempty"` // of setWatches: relative to the last zxid seen, backward
	Paths   string `json:"paths,omitempty"` // of setWatches: letter of the kind and path, separated by commas
	Ops     []step `json:"ops,omitempty"`   // of multi and multiRead
	Raw     string `json:"raw,omitempty"`   // the body in hexadecimal, instead of all other fields
}

// The steps that are events of a session and not requests.
const (
	doRenew     = "renew"     // close the session and open another one
	doReconnect = "reconnect" // the connection breaks; resume the session
	doMove      = "move"      // resume the session elsewhere; the old connection is still there
	doExpire    = "expire"    // stay disconnected until the session has expired, try to resume it, and open another one
)

func (s step) onSession() bool {
	return s.Do == doRenew || s.Do == doReconnect || s.Do == doMove || s.Do == doExpire
}

// isBarrier reports whether the step cannot be pipelined: it ends the connection, or is
// answered out of order. A real server may check requests that are pipelined behind a
// setACL against the old ACL.
func (s step) isBarrier() bool {
	switch s.Do {
	case "auth", "sasl", "whoAmI", "check", "notification", "error", "setACL":
		return true
	}
	return s.onSession() || strings.HasPrefix(s.Do, "op(")
}

var opsByName = func() map[string]wire.Op {
	names := make(map[string]wire.Op)
	for op := wire.Op(-20); op < 200; op++ {
		names[op.String()] = op
	}
	return names
}()

func (s step) op() wire.Op {
	if op, ok := opsByName[s.Do]; ok {
		return op
	}
	panic("no operation " + s.Do)
}

func aclOf(s string) (acl []wire.ACL) {
	for entry := range strings.SplitSeq(s, ",") {
		if parts := strings.SplitN(entry, ":", 3); len(parts) == 3 {
			perms, _ := strconv.ParseInt(parts[0], 10, 32)
			acl = append(acl, wire.ACL{Perms: int32(perms), Scheme: parts[1], ID: parts[2]})
		}
	}
	return acl
}

// encoded is a record that is encoded already.
type encoded []byte

func (b encoded) Fields(c *wire.Codec) { c.Buf = append(c.Buf, b...) }

// body returns the body of the request. Zxids in it are relative to seen.
func (s step) body(seen int64) wire.Record {
	if s.Raw != "" {
		b, err := hex.DecodeString(s.Raw)
		if err != nil {
			panic(err)
		}
		return encoded(b)
	}
	switch op := s.op(); op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		return &wire.CreateRequest{Path: s.Path, Data: []byte(s.Data), ACL: aclOf(s.ACL), Flags: s.Flags,
			TTL: s.TTL, HasTTL: op == wire.OpCreateTTL}
	case wire.OpDelete, wire.OpCheck:
		return &wire.PathVersion{Path: s.Path, Version: s.Version}
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		return &wire.PathWatch{Path: s.Path, Watch: s.Watch}
	case wire.OpSetData:
		return &wire.SetDataRequest{Path: s.Path, Data: []byte(s.Data), Version: s.Version}
	case wire.OpSetACL:
		return &wire.SetACLRequest{Path: s.Path, ACL: aclOf(s.ACL), Version: s.Version}
	case wire.OpGetACL, wire.OpSync, wire.OpGetEphemerals, wire.OpGetAllChildrenNumber, wire.OpDeleteContainer:
		return &wire.Path{Path: s.Path}
	case wire.OpAddWatch, wire.OpCheckWatches, wire.OpRemoveWatches:
		return &wire.PathKind{Path: s.Path, Kind: s.Kind}
	case wire.OpAuth:
		return &wire.AuthRequest{Scheme: s.Scheme, Auth: []byte(s.Data)}
	case wire.OpMulti, wire.OpMultiRead:
		m := &wire.MultiRequest{}
		for _, o := range s.Ops {
			m.Ops = append(m.Ops, wire.MultiOp{Op: o.op(), Body: o.body(seen)})
		}
		return m
	case wire.OpSetWatches, wire.OpSetWatches2:
		r := &wire.SetWatches{RelativeZxid: seen - s.Since, Version2: op == wire.OpSetWatches2}
		for entry := range strings.SplitSeq(s.Paths, ",") {
			if entry == "" {
				continue
			}
			list := map[byte]*[]string{'d': &r.Data, 'e': &r.Exist, 'c': &r.Child, 'p': &r.Persistent, 'r': &r.PersistentRecursive}[entry[0]]
			*list = append(*list, entry[1:])
		}
		return r
	}
	return &wire.Empty{}
}

func (s step) String() string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func parseStep(line string) (s step, err error) {
	if err = json.Unmarshal([]byte(line), &s); err != nil {
		return s, fmt.Errorf("step %s: %w", line, err)
	}
	return s, nil
}
