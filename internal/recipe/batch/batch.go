// Package batch carries out many writes in few transactions. Each write is atomic,
// and one that the servers refuse fails alone.
package batch

import (
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/session"
)

// Write is one or more operations that are carried out together. Writes of a batch
// must not depend on each other, and only checks may name a node that another write
// names as well.
type Write struct {
	ops   []session.Op
	paths []string // the paths of ops
	size  int      // of the data and the paths
}

// Create adds the creation of a node.
func (w *Write) Create(path string, data []byte, opts ...session.CreateOption) {
	w.add(session.OpCreate(path, data, opts...), path, len(data))
}

// Set adds a change of a node's data.
func (w *Write) Set(path string, data []byte, version int32) {
	w.add(session.OpSet(path, data, version), path, len(data))
}

// Delete adds the deletion of a node.
func (w *Write) Delete(path string, version int32) {
	w.add(session.OpDelete(path, version), path, 0)
}

// Check adds a check of a node's version.
func (w *Write) Check(path string, version int32) {
	w.add(session.OpCheck(path, version), path, 0)
}

// Append adds the operations of another write.
func (w *Write) Append(more Write) {
	w.ops = append(w.ops, more.ops...)
	w.paths = append(w.paths, more.paths...)
	w.size += more.size
}

func (w *Write) add(op session.Op, path string, size int) {
	w.ops = append(w.ops, op)
	w.paths = append(w.paths, path)
	w.size += size + len(path)
}

// Size returns the number of bytes of the data and the paths.
func (w *Write) Size() int { return w.size }

// Ops returns the operations of ws in order.
func Ops(ws ...Write) (ops []session.Op) {
	for _, w := range ws {
		ops = append(ops, w.ops...)
	}
	return ops
}

// Limits bound one transaction.
type Limits struct {
	Writes int
	Bytes  int // see Write.Size
}

// HalfBuffer returns the number of bytes for Limits that leaves half of a request to
// its other parts.
func HalfBuffer(s *session.Session) int { return (s.MaxBuffer() + 1) / 2 }

// Fitting returns how many of ws fit into one transaction, at least one.
func (l Limits) Fitting(ws []Write) int {
	n, size := 0, 0
	for n < len(ws) && n < l.Writes && (n == 0 || size+ws[n].size <= l.Bytes) {
		size += ws[n].size
		n++
	}
	return n
}

// Refused returns the refusal in err, the error of a transaction of ws, and the
// index of the write that was refused. k is negative if err is nil or concerns the
// whole transaction.
func Refused(ws []Write, err error) (r refusal.Refusal, k int) {
	r, ok := refusal.Of(err)
	if !ok {
		return r, -1
	}
	return r, slices.IndexFunc(ws, func(w Write) bool { return slices.Contains(w.paths, r.Path) })
}

// Apply carries out writes and returns the error of each. It calls txn with the
// operations of as many writes as fit into a transaction. If txn returns the refusal
// of a write, Apply tries again without that write. Any other error is the error of
// all writes of that transaction, and Apply continues with the next ones.
//
// repair is called after a refusal. If it returns true, Apply tries again with the
// same writes; if it returns an error, that is the error of the refused write. It
// may be nil.
func Apply(ws []Write, l Limits, txn func(ops []session.Op) error, repair func(refusal.Refusal) (bool, error)) []error {
	errs := make([]error, len(ws))
	todo := make([]int, len(ws)) // the indices of the writes that are not done yet
	for i := range todo {
		todo[i] = i
	}
	for len(todo) > 0 {
		var part []Write
		for _, i := range todo[:min(len(todo), l.Writes)] {
			part = append(part, ws[i])
		}
		part = part[:l.Fitting(part)]
		err := txn(Ops(part...))
		r, k := Refused(part, err)
		if k < 0 {
			for _, i := range todo[:len(part)] {
				errs[i] = err
			}
			todo = todo[len(part):]
			continue
		}
		if repair != nil {
			switch repaired, failure := repair(r); {
			case failure != nil:
				err = failure
			case repaired:
				continue
			}
		}
		errs[todo[k]] = err
		todo = slices.Delete(todo, k, k+1)
	}
	return errs
}
