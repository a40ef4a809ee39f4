package lease

import "context"

// Transfer ends the lease and returns its node, which stays, for another lease in
// this process. If Transfer fails, the lease is unchanged or had ended before.
func (l *Lease) Transfer(ctx context.Context) (Acquired, error) {
	if err := l.Err(); err != nil {
		return Acquired{}, err
	}
	stopProving, err := l.acquired.Epoch.KeepProvingFor(ctx, l.behavior.StopTime)
	if err != nil {
		return Acquired{}, err
	}
	if !l.end(l.behavior.Released) {
		stopProving()
		return Acquired{}, context.Cause(l.ctx)
	}
	close(l.gone)
	c := l.acquired
	c.StopProving, c.Watch, c.Data = stopProving, nil, nil // the old lease closes its watch
	return c, nil
}
