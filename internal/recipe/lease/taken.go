package lease

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zkrecipes/zkrecipes/session"
)

// Taken describes why an attempt to acquire without waiting did not succeed.
type Taken struct {
	Holder  session.Node // a holder's node; without a path if it could not be read
	Blocked error        // the result of Epoch.Blocked for the first ownerless node, or nil
}

// ReadTaken reads the nodes at paths, in one round trip. The holder is the first of them
// that exists. ReadTaken returns what it has if a read fails, because the answer to the
// caller does not depend on it.
func ReadTaken(ctx context.Context, e *session.Epoch, paths ...string) *Taken {
	t := new(Taken)
	nodes, err := e.Nodes(ctx, paths...)
	if err != nil {
		return t
	}
	for _, n := range nodes {
		if n.Err != nil {
			continue
		}
		if t.Holder.Path == "" {
			t.Holder = n
		}
		if t.Blocked == nil {
			t.Blocked = e.Blocked(n.Path, n.Stat)
		}
	}
	return t
}

// Wrap returns an error that wraps err and names the holder by its node, and by the first
// line of the node's data unless that is hidden.
func (t *Taken) Wrap(err error, hidden []byte) error {
	switch {
	case t.Blocked != nil:
		return fmt.Errorf("%w: %w", err, t.Blocked)
	case t.Holder.Path == "":
		return err
	}
	id, _, _ := bytes.Cut(t.Holder.Data, []byte{'\n'})
	if len(id) == 0 || bytes.Equal(id, hidden) || !isLabel(id) {
		return fmt.Errorf("%w: %s", err, t.Holder.Path)
	}
	return fmt.Errorf("%w: %s (%s)", err, id, t.Holder.Path)
}

// isLabel reports whether data is a short text that can be printed.
func isLabel(data []byte) bool {
	return len(data) <= 100 && utf8.Valid(data) && strings.IndexFunc(string(data), func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
