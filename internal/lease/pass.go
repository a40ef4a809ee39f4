package lease

import "context"

// Pass ends the lease and returns a claim of the same node, which stays, for
// another lease in this process. If it fails, the lease is as it was, or has ended
// before.
func (l *Lease) Pass(ctx context.Context) (Claim, error) {
	if err := l.Err(); err != nil {
		return Claim{}, err
	}
	hold, err := l.claim.Epoch.HoldFor(ctx, l.terms.StopTime)
	if err != nil {
		return Claim{}, err
	}
	if !l.end(l.terms.Released) {
		hold()
		return Claim{}, context.Cause(l.ctx)
	}
	close(l.gone)
	c := l.claim
	c.Hold, c.Own, c.Data = hold, nil, nil // the watch is the old lease's, and goes with it
	return c, nil
}
