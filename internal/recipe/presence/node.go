package presence

import (
	"errors"

	"github.com/zkrecipes/zkrecipes/session"
)

// Node is what is announced.
type Node struct {
	Package  string // of the recipe, for OpErrors
	Path     string // missing ancestors are created, as containers
	Data     []byte
	ACL      []session.ACL // nil: the session's
	IfExists IfExists
	Errors   Errors
}

// IfExists says what Announce does if the node is there already and is not this
// session's. A later announcement, of the next epoch, awaits that it goes.
type IfExists uint8

const (
	// Await waits while another session owns the node. A node that no session
	// owns is refused.
	Await IfExists = iota
	// Refuse fails with Errors.Occupied.
	Refuse
	// Replace deletes the node, whoever's it is, in the transaction that creates
	// ours.
	Replace
)

// Errors are a recipe's own for what can be wrong. Those that are nil are the
// package's.
type Errors struct {
	Duplicate error // this session announces the node already
	Occupied  error // the node is another session's, or nobody's
	Withdrawn error // after Withdraw
}

// The errors of recipes that have none of their own.
var (
	ErrDuplicate = errors.New("presence: announced already by this session")
	ErrOccupied  = errors.New("presence: the node is taken")
	ErrWithdrawn = errors.New("presence: withdrawn")
)

// errRemoved is why Err is not nil when somebody has removed the node.
var errRemoved = errors.New("presence: somebody has removed the node")

func (e *Errors) setDefaults() {
	for _, d := range []struct {
		err      *error
		standard error
	}{{&e.Duplicate, ErrDuplicate}, {&e.Occupied, ErrOccupied}, {&e.Withdrawn, ErrWithdrawn}} {
		if *d.err == nil {
			*d.err = d.standard
		}
	}
}
