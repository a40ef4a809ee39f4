package election

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/recipe/cas"
	"github.com/zkrecipes/zkrecipes/session"
)

// Revoked returns a channel that is closed when a client has asked the leader to step
// down, with StepDown or with Curator's Revoker, even if it did so while the leader was a
// waiting candidate. It is only a request: the term lasts until Resign.
func (t *Term) Revoked() <-chan struct{} { return t.l.Revoked() }

// StepDown asks candidates, which Candidates has returned, to step down. Without
// candidates it asks the leader. A candidate that waits finds the request in its term
// once it leads; see Term.Revoked. Candidates of this library receive the request. Other
// programs ignore it, unless they look for the line __REVOKE__ in their node.
//
// StepDown does not wait for the end of the term. If it returns nil, each candidate or the
// leader has been asked or has left, or there was no leader.
//
// The request is added to the candidate's node, whose id and data stay. Do not use it on
// elections that are shared with a LeaderLatch of Curator: one that waits directly behind
// the node does not notice the end of the term until its connection is restored. It watches
// the data of the node ahead of it, and does not watch it again after a change.
//
// It takes two round trips, a read and a conditional write, and two more for each write
// of the candidate in between. Without candidates it takes two more to find the present
// leader, even if the session's server lags behind; one with WithFixedNode.
func (e *Election) StepDown(ctx context.Context, candidates ...Candidate) error {
	if e.argErr != nil {
		return e.argErr
	}
	for _, c := range candidates {
		if !e.contest.has(c.Path) {
			return &session.OpError{Package: "election", Op: "step down", Path: c.Path, Err: fmt.Errorf("%w: not the node of a candidate", session.ErrInvalid)}
		}
	}
	if len(candidates) == 0 {
		path, err := e.findLeader(ctx)
		if path == "" || err != nil {
			return err
		}
		candidates = []Candidate{{Path: path}}
	}
	errs := make([]error, len(candidates))
	var all sync.WaitGroup
	for i, c := range candidates {
		all.Go(func() { errs[i] = e.requestStepDown(ctx, c) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// findLeader returns the path of the present leader's node, or "" if there is none.
func (e *Election) findLeader(ctx context.Context) (string, error) {
	if err := e.session.Sync(ctx, e.path); err != nil {
		return "", err
	}
	op := session.OpError{Package: "election", Op: "find the leader of", Path: e.path}
	return session.InEpoch(ctx, e.session, op, func(ep *session.Epoch) (string, error) { return e.contest.holder(ctx, ep) })
}

// requestStepDown adds the request to the node of one candidate. It repeats a write whose
// outcome is unknown: a request that the node has already is not written again.
func (e *Election) requestStepDown(ctx context.Context, c Candidate) error {
	op := session.OpError{Package: "election", Op: "step down", Path: c.Path}
	for {
		_, err := cas.Update(ctx, e.session, op, c.Path, func(n session.Node) ([]byte, error) {
			id, data, revoked := decode(n.Data)
			if revoked || n.Err != nil || c.Token != 0 && c.Token != n.Stat.Czxid { // asked or left
				return nil, nil
			}
			return encode(id, data, true), nil
		})
		if !errors.Is(err, session.ErrUnknown) || ctx.Err() != nil {
			return err
		}
	}
}
