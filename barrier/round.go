package barrier

import (
	"strings"

	"github.com/zkrecipes/zkrecipes/session"
)

// round is a round that has begun with a member.
type round struct {
	zxid    session.Zxid // of the transaction that it began with; 0 if that is not known
	before  session.Zxid // its members' nodes were created before this: other libraries use names again
	version int32        // of the path's data; with the next round there is another
	members []string
}

// The data of the barrier's path is the record of the latest round: a line that
// says so, and one for each member's name. If it is
// anything else, no round begins, and what is there is left alone.

const recordHead = "round\n"

func record(names []string) []byte { return []byte(recordHead + strings.Join(names, "\n")) }

// recorded are the members of the latest round; none if there is no record.
func recorded(data []byte) []string {
	names, ok := strings.CutPrefix(string(data), recordHead)
	if !ok {
		return nil
	}
	return strings.Split(names, "\n")
}

// beginOps is the transaction with which a round begins. It succeeds only if all
// members are there, no other round has begun since the path had the given
// version, and there is no ready. That is ephemeral, so that it does not outlive
// everybody; it is for those who wait for it, and nobody is in a round because of
// it alone.
func (d *Double) beginOps(names []string, version int32) []session.Op {
	ops := make([]session.Op, 0, len(names)+2)
	ops = append(ops, session.OpSet(d.path, record(names), version))
	for _, name := range names {
		ops = append(ops, session.OpCheck(d.node(name), session.AnyVersion))
	}
	return append(ops, session.OpCreate(d.ready(), d.data, session.Ephemeral()))
}

// cleanUpOps is the transaction that removes the ready of a round whose members have
// all left, unless another has begun since the path had the given version.
func (d *Double) cleanUpOps(version int32) []session.Op {
	return []session.Op{session.OpCheck(d.path, version), session.OpDelete(d.ready(), session.AnyVersion)}
}
