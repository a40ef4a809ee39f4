package barrier

import (
	"strings"

	"github.com/zkrecipes/zkrecipes/session"
)

// round is a round that has begun with a member.
type round struct {
	zxid    session.Zxid // of the transaction that began it; 0 if it is not known
	before  session.Zxid // its members' nodes were created before this; other libraries reuse names
	version int32        // of the path's data; the next round changes it
	members []string
}

// The data of the barrier's path is the record of the latest round: the line
// recordHead and one line for each member's name. If the path holds other data, no
// round begins, and the data is not changed.

const recordHead = "round\n"

func record(names []string) []byte { return []byte(recordHead + strings.Join(names, "\n")) }

// recorded returns the members of the latest round, or nil if data is not a record.
func recorded(data []byte) []string {
	names, ok := strings.CutPrefix(string(data), recordHead)
	if !ok {
		return nil
	}
	return strings.Split(names, "\n")
}

// beginOps returns the transaction that begins a round. It succeeds only if all
// members exist, no other round has begun since the path had the given version, and
// ready does not exist.
//
// The node ready is ephemeral, so that it does not outlive all members. It wakes
// waiters; a member is in a round because of the record, and not because ready exists.
func (d *Double) beginOps(names []string, version int32) []session.Op {
	ops := make([]session.Op, 0, len(names)+2)
	ops = append(ops, session.OpSet(d.path, record(names), version))
	for _, name := range names {
		ops = append(ops, session.OpCheck(d.node(name), session.AnyVersion))
	}
	return append(ops, session.OpCreate(d.ready(), d.data, session.Ephemeral()))
}

// cleanUpOps returns the transaction that deletes the ready node of a round that all
// members have left, unless another round has begun since the path had the given
// version.
func (d *Double) cleanUpOps(version int32) []session.Op {
	return []session.Op{session.OpCheck(d.path, version), session.OpDelete(d.ready(), session.AnyVersion)}
}
