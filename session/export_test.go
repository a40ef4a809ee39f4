package session

import "context"

// WithNetwork replaces what the default dialer is made of: the lookup of hosts, and
// the dialing of addresses.
func WithNetwork(lookup func(ctx context.Context, host string) ([]string, error), dial DialFunc) Option {
	return func(o *options) { o.lookup, o.dial = lookup, dial }
}
