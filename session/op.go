package session

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Op is one write, or one condition, of a transaction.
type Op struct {
	kind    wire.Op
	path    string
	data    []byte
	version int32
	create  createSpec
}

// Result is what one Op of a committed transaction came to.
type Result struct {
	Path string // of a create: with its sequence number
	Stat Stat   // of a create or a set; of a create among several ops, servers before 3.9 tell only the zxid and the owner
}

// AnyVersion makes a set, a delete or a check accept whatever version it finds.
const AnyVersion int32 = -1

// OpSet replaces a node's data, if its version is as given.
func OpSet(path string, data []byte, version int32) Op {
	return Op{kind: wire.OpSetData, path: path, data: data, version: version}
}

// OpDelete deletes a node, if its version is as given.
func OpDelete(path string, version int32) Op {
	return Op{kind: wire.OpDelete, path: path, version: version}
}

// OpCheck makes a transaction depend on a node being there, in the given
// version.
func OpCheck(path string, version int32) Op {
	return Op{kind: wire.OpCheck, path: path, version: version}
}

// OpCreate creates a node. The option Parents has no meaning in a transaction, and
// Siblings has one if the create is all of it.
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

// refusal is the error of an op that the server refused with err. The name of a
// sequential node can only be taken if its number has been given out before.
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

// CreateOption says how a node is created; the default is a persistent one with
// the session's ACL.
type CreateOption func(*createSpec)

// Ephemeral makes a node that goes with the session's current epoch.
func Ephemeral() CreateOption { return func(c *createSpec) { c.ephemeral = true } }

// Sequential has the server put a number of ten digits behind the name, which
// grows with every such child of the parent.
func Sequential() CreateOption { return func(c *createSpec) { c.sequential = true } }

// Container makes a node that the server removes some time after its last child
// has gone.
func Container() CreateOption { return func(c *createSpec) { c.container = true } }

// TTL makes a node that the server removes once it has had no child and no
// change for d, from a millisecond to 34 years. Servers must be told to allow it
// (extendedTypesEnabled); otherwise the error is ErrUnsupported.
func TTL(d time.Duration) CreateOption { return func(c *createSpec) { c.ttl = d } }

// ACLs sets the node's access control list.
func ACLs(acl ...ACL) CreateOption { return func(c *createSpec) { c.acl = toWireACL(acl) } }

// Unique promises that no other node ever has this name, up to a sequence
// number, because a GUID is in it. By it the node is found again if the reply to
// its creation is lost, so that the outcome is known.
func Unique() CreateOption { return func(c *createSpec) { c.unique = true } }

// Parents creates the node's ancestors, as containers, if they are missing.
func Parents() CreateOption { return func(c *createSpec) { c.parents = true } }

// Siblings stores the names of all children of the parent, the new node's among
// them. The list is asked for in the same flight as the create and costs no
// round trip.
func Siblings(names *[]string) CreateOption {
	return func(c *createSpec) { c.siblings = names }
}

// GUID returns a random UUID of version 8 in its text form. The version tells
// the GUIDs of this module from those of other clients, which use version 4.
func GUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// IsGUID reports whether GUID can have returned s, with or without its dashes.
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

// check refuses what the server would, or worse, close the connection over.
func (op *Op) check(s *Session) error {
	if err := checkPath(op.path); err != nil {
		return err
	}
	if op.kind == 0 {
		return fmt.Errorf("%w: an Op must be made by one of the functions", ErrInvalid)
	}
	if n := len(op.data) + len(s.root) + len(op.path); n > s.opts.maxBuffer-1024 {
		return fmt.Errorf("%w: %d bytes of data, and a request may have %d (see WithMaxBuffer)", ErrInvalid, len(op.data), s.opts.maxBuffer)
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

// longestTTL is what a server takes: 40 bits of milliseconds, some 34 years.
const longestTTL = (1<<40 - 1) * time.Millisecond

// recordAs is record for a request of the given kind; see abilities.form.
func (op Op) recordAs(kind wire.Op, s *Session) wire.Record {
	if kind == wire.OpCreate {
		op.create.container = false
	}
	return op.record(s)
}

// record is the op as it goes over the wire.
func (op *Op) record(s *Session) wire.Record {
	abs := s.root.abs(op.path)
	data := op.data
	if data == nil {
		data = []byte{} // ZooKeeper tells null from empty, and few readers expect the former
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
