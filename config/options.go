package config

// DefaultHistory is the number of versions that a Value keeps by default.
const DefaultHistory = 16

// Option configures a Value or a Tree.
type Option func(*options)

type options struct {
	history int
}

func newOptions(opts []Option) options {
	o := options{history: DefaultHistory}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithHistory makes a Value keep its latest n versions, the current one included; the
// default is DefaultHistory. If n is not positive, Open, OpenOr and OpenTree return
// session.ErrInvalid. A Tree keeps no history.
func WithHistory(n int) Option {
	return func(o *options) { o.history = n }
}
