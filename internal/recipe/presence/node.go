package presence

import (
	"errors"

	"github.com/zkrecipes/zkrecipes/session"
)

// Node describes the node to announce.
type Node struct {
	Package  string // of the recipe, for OpErrors
	Path     string // missing ancestors are created, as containers
	Data     []byte
	ACL      []session.ACL // nil: the session's
	IfExists IfExists
	Errors   Errors
}

// IfExists is what Announce does if a node exists that neither this epoch nor an
// earlier epoch of the session created. In later epochs the announcement waits for
// such a node, as with Await. The node of an earlier epoch is always replaced.
type IfExists uint8

const (
	// Await waits while another session owns the node. If no session owns it,
	// Announce fails with Errors.Occupied.
	Await IfExists = iota
	// Refuse makes Announce fail with Errors.Occupied.
	Refuse
	// Replace deletes the node, whether or not a session owns it, in the transaction
	// that creates ours.
	Replace
)

// Errors are the recipe's errors. A nil field means the error of this package.
type Errors struct {
	Duplicate error // this session announces the node already
	Occupied  error // another session owns the node, or none does
	Withdrawn error // Withdraw was called
}

// The default errors.
var (
	ErrDuplicate = errors.New("presence: announced already by this session")
	ErrOccupied  = errors.New("presence: node exists already")
	ErrWithdrawn = errors.New("presence: withdrawn")
)

// errDeleted is the error after the node was deleted or replaced outside of this package.
var errDeleted = errors.New("presence: the node was deleted")

func (e *Errors) setDefaults() {
	for _, d := range []struct {
		err      *error
		fallback error
	}{{&e.Duplicate, ErrDuplicate}, {&e.Occupied, ErrOccupied}, {&e.Withdrawn, ErrWithdrawn}} {
		if *d.err == nil {
			*d.err = d.fallback
		}
	}
}
