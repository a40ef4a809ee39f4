package naming

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/zkrecipes/zkrecipes/session"
)

// nextByNode returns the number of a new sequential node. The node is ephemeral, so
// that it is deleted if the process dies between the two steps.
func (q *Sequence) nextByNode(ctx context.Context) (int64, error) {
	prefix := session.Join(q.path, "_c_"+session.GUID()+"-id-")
	for {
		path, err := session.InEpoch(ctx, q.session, session.OpError{}, func(e *session.Epoch) (string, error) {
			path, st, err := e.Create(ctx, prefix, nil, session.Ephemeral(), session.Sequential(), session.Unique())
			if err == nil {
				e.DeleteEventually(path, st.Czxid, nil)
			}
			return path, err
		})
		if errors.Is(err, session.ErrNoNode) {
			if err = q.createPersistent(ctx); err == nil {
				continue
			}
		}
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseInt(path[len(prefix):], 10, 32)
		if err == nil && (n < 0 || n == math.MaxInt32) {
			// Servers stop here, or continue with negative numbers.
			err = fmt.Errorf("%w: the server has no sequence number left", ErrExhausted)
		}
		return n, err
	}
}

// createPersistent creates the sequence's node. It is not a container: a container is
// deleted when it is empty, and the count with it.
func (q *Sequence) createPersistent(ctx context.Context) error {
	_, _, err := q.session.Create(ctx, q.path, nil, session.Parents())
	if errors.Is(err, session.ErrNodeExists) || errors.Is(err, session.ErrUnknown) {
		return nil // if it was not created, the next attempt finds out
	}
	return err
}
