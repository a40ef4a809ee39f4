package session

import "context"

// WithNetwork replaces the two parts of the default dialer: the lookup of hosts and the dial
// of addresses.
func WithNetwork(lookup func(ctx context.Context, host string) ([]string, error), dial DialFunc) Option {
	return func(o *options) { o.conn.Lookup, o.conn.Dial = lookup, dial }
}

// LocalStates counts the states of Local.
func LocalStates(s *Session) int {
	s.local.mu.Lock()
	defer s.local.mu.Unlock()
	return len(s.local.byKey)
}
