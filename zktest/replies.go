package zktest

import (
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// stringList is the body of a reply with one vector of strings.
type stringList []string

func (r stringList) Fields(c *wire.Codec) { c.Strings((*[]string)(&r)) }

// number is the body of a reply with one integer.
type number int32

func (r number) Fields(c *wire.Codec) { c.Int((*int32)(&r)) }

// identity is the body of the reply to whoAmI.
type identity []ztree.AuthID

func (r identity) Fields(c *wire.Codec) {
	c.Len(len(r), 0)
	for _, id := range r {
		user := id.ID
		if id.Scheme == "digest" {
			user, _, _ = strings.Cut(user, ":")
		}
		c.String(&id.Scheme)
		c.String(&user)
	}
}

// reconfig is the body of a reconfig request. It is decoded only to find out whether it is
// malformed; the request is always refused.
type reconfig struct{}

func (*reconfig) Fields(c *wire.Codec) {
	var servers string
	for range 3 { // servers that join, that leave, or the new members
		c.String(&servers)
	}
	var version int64
	c.Long(&version)
}
