package session

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Op is one write or one condition of a transaction. Make it with the functions OpCreate,
// OpSet, OpDelete and OpCheck.
type Op struct {
	kind    wire.Op
	path    string
	data    []byte
	version int32
	create  createSpec
}

// Result is the result of one Op of a committed transaction.
type Result struct {
	Path string // of a create: the path, with the sequence number
	Stat Stat   // of a create or a set; with servers before 3.9 a create among several ops has only the zxids and the owner
}

// AnyVersion makes a set, a delete or a check accept every version of the node.
const AnyVersion int32 = -1

// OpSet returns an Op that replaces a node's data if the node has the given version.
func OpSet(path string, data []byte, version int32) Op {
	return Op{kind: wire.OpSetData, path: path, data: data, version: version}
}

// OpDelete returns an Op that deletes a node if it has the given version.
func OpDelete(path string, version int32) Op {
	return Op{kind: wire.OpDelete, path: path, version: version}
}

// OpCheck returns an Op that makes a transaction fail unless the node exists and has
// the given version.
func OpCheck(path string, version int32) Op {
	return Op{kind: wire.OpCheck, path: path, version: version}
}

// OpCreate returns an Op that creates a node. In a transaction the option Parents has no
// effect, and Siblings has one only if the create is the only Op.
func OpCreate(path string, data []byte, opts ...CreateOption) Op {
	op := Op{kind: wire.OpCreate2, path: path, data: data}
	for _, o := range opts {
		o(&op.create)
	}
	switch c := op.create; {
	case c.container:
		op.kind = wire.OpCreateContainer
	case c.ttl > 0:
		op.kind = wire.OpCreateTTL
	}
	return op
}

// refusal returns the error of an op that the server refused with err. The name of a
// sequential node can exist only if its number has been assigned before.
func (op *Op) refusal(err error) error {
	if op.create.sequential && errors.Is(err, ErrNodeExists) {
		return fmt.Errorf("%w: %w", ErrSequenceEnd, err)
	}
	return err
}

type createSpec struct {
	ephemeral, sequential, container, unique, parents bool
	ttl                                               time.Duration
	acl                                               []wire.ACL
	siblings                                          *[]string
}

// CreateOption is an option of Create and OpCreate. By default the node is persistent
// and has the session's ACL.
type CreateOption func(*createSpec)

// Ephemeral creates a node that the servers delete when the current epoch ends.
func Ephemeral() CreateOption { return func(c *createSpec) { c.ephemeral = true } }

// Sequential makes the server append a number of ten digits to the name. The number
// grows with every sequential child of the parent.
func Sequential() CreateOption { return func(c *createSpec) { c.sequential = true } }

// Container creates a node that the servers delete some time after its last child was
// deleted.
func Container() CreateOption { return func(c *createSpec) { c.container = true } }

// TTL creates a node that the servers delete when it has had no child and no change
// for d, which is from a millisecond to 34 years. The servers must be configured to
// allow it (extendedTypesEnabled); otherwise the error is ErrUnsupported.
func TTL(d time.Duration) CreateOption { return func(c *createSpec) { c.ttl = d } }

// ACLs sets the node's access control list.
func ACLs(acl ...ACL) CreateOption { return func(c *createSpec) { c.acl = toWireACL(acl) } }

// Unique promises that no other node ever has this name, apart from a sequence number,
// because the name contains a GUID. If the reply to the create is lost, the node is
// looked up by its name, so that the outcome is known.
func Unique() CreateOption { return func(c *createSpec) { c.unique = true } }

// Parents creates missing ancestors of the node, as containers.
func Parents() CreateOption { return func(c *createSpec) { c.parents = true } }

// Siblings stores the names of all children of the parent, including the new node's,
// in *names. The list is requested together with the create and costs no additional
// round trip. Only recipes need it.
func Siblings(names *[]string) CreateOption {
	return func(c *createSpec) { c.siblings = names }
}

// GUID returns a random UUID of version 8 in its text form. The version distinguishes
// the GUIDs of this module from those of other clients, which use version 4.
func GUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// IsGUID reports whether s can be a result of GUID, with or without its dashes.
func IsGUID(s string) bool {
	digits := strings.ReplaceAll(s, "-", "")
	if len(digits) != 32 || strings.Trim(digits, "0123456789abcdef") != "" {
		return false
	}
	if len(s) != 32 && (len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-') {
		return false
	}
	return digits[12] == '8' && strings.ContainsRune("89ab", rune(digits[16]))
}

var opNames = map[wire.Op]string{
	wire.OpCreate2: "create", wire.OpCreateContainer: "create", wire.OpCreateTTL: "create",
	wire.OpSetData: "set", wire.OpDelete: "delete", wire.OpCheck: "check",
}

func (op *Op) name() string {
	if n, ok := opNames[op.kind]; ok {
		return n
	}
	return "use" // the zero Op
}

// check returns an error for an op that the server would refuse, or on which it would
// close the connection.
func (op *Op) check(s *Session) error {
	if err := checkPath(op.path); err != nil {
		return err
	}
	if op.kind == 0 {
		return fmt.Errorf("%w: an Op must be made by one of the functions", ErrInvalid)
	}
	if n := len(op.data) + len(s.root) + len(op.path); n > s.opts.conn.MaxBuffer-1024 {
		return fmt.Errorf("%w: %d bytes of data, and a request may have %d (see WithMaxBuffer)", ErrInvalid, len(op.data), s.opts.conn.MaxBuffer)
	}
	c := op.create
	if c.ephemeral && (c.container || c.ttl != 0) || c.container && (c.ttl != 0 || c.sequential) {
		return fmt.Errorf("%w: kinds of node that exclude each other", ErrInvalid)
	}
	if c.ttl < 0 || c.ttl > 0 && c.ttl < time.Millisecond || c.ttl > longestTTL {
		return fmt.Errorf("%w: TTL %v, and it may be from 1ms to %v", ErrInvalid, c.ttl, longestTTL)
	}
	return nil
}

// longestTTL is the limit of the servers: 40 bits of milliseconds, about 34 years.
const longestTTL = (1<<40 - 1) * time.Millisecond

// recordAs is record for a request of the given kind; see capabilities.createKind.
func (op Op) recordAs(kind wire.Op, s *Session) wire.Record {
	if kind == wire.OpCreate {
		op.create.container = false
	}
	return op.record(s)
}

// record returns the request of the op.
func (op *Op) record(s *Session) wire.Record {
	abs := s.root.abs(op.path)
	data := op.data
	if data == nil {
		data = []byte{} // ZooKeeper distinguishes null from empty, and few readers expect null
	}
	switch op.kind {
	case wire.OpSetData:
		return &wire.SetDataRequest{Path: abs, Data: data, Version: op.version}
	case wire.OpDelete, wire.OpCheck:
		return &wire.PathVersion{Path: abs, Version: op.version}
	}
	c := op.create
	r := &wire.CreateRequest{Path: abs, Data: data, ACL: c.acl}
	if r.ACL == nil {
		r.ACL = s.opts.acl
	}
	switch {
	case c.container:
		r.Flags = wire.FlagContainer
	case c.ttl > 0:
		r.Flags, r.TTL, r.HasTTL = wire.FlagTTL, c.ttl.Milliseconds(), true
		if c.sequential {
			r.Flags = wire.FlagPersistentSequentialTTL
		}
	default:
		if c.ephemeral {
			r.Flags |= wire.FlagEphemeral
		}
		if c.sequential {
			r.Flags |= wire.FlagSequential
		}
	}
	return r
}
