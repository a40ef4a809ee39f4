package zktest

import (
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// stringList is the body of a reply with one vector of strings.
type stringList []string

func (r stringList) Encode(e *wire.Encoder) { e.Strings(r) }
func (r stringList) Decode(*wire.Decoder)   {}

// number is the body of a reply with one integer.
type number int32

func (r number) Encode(e *wire.Encoder) { e.Int(int32(r)) }
func (r number) Decode(*wire.Decoder)   {}

// identity is the body of the reply to whoAmI.
type identity []ztree.AuthID

func (r identity) Encode(e *wire.Encoder) {
	e.Int(int32(len(r)))
	for _, id := range r {
		e.String(id.Scheme)
		user := id.ID
		if id.Scheme == "digest" {
			user, _, _ = strings.Cut(user, ":")
		}
		e.String(user)
	}
}

func (r identity) Decode(*wire.Decoder) {}

// reconfig is the body of a reconfig request. It is decoded only to find out whether it is
// malformed; the request is always refused.
type reconfig struct{}

func (*reconfig) Encode(*wire.Encoder) {}

func (*reconfig) Decode(d *wire.Decoder) {
	for range 3 { // servers that join, that leave, or the new members
		_ = d.String()
	}
	d.Long()
}
