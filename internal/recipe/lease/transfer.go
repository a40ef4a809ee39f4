package lease

import "context"

// Transfer ends the lease and returns a claim of the same node, which stays, for
// another lease in this process. If it fails, the lease is as it was, or has ended
// before.
func (l *Lease) Transfer(ctx context.Context) (Acquired, error) {
	if err := l.Err(); err != nil {
		return Acquired{}, err
	}
	hold, err := l.acquired.Epoch.KeepProvingFor(ctx, l.behavior.StopTime)
	if err != nil {
		return Acquired{}, err
	}
	if !l.end(l.behavior.Released) {
		hold()
		return Acquired{}, context.Cause(l.ctx)
	}
	close(l.gone)
	c := l.acquired
	c.StopProving, c.Watch, c.Data = hold, nil, nil // the watch is the old lease's, and goes with it
	return c, nil
}
