package config

// DefaultHistory is how many versions a Value remembers.
const DefaultHistory = 16

// Option changes a Value or a Tree.
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

// WithHistory has a Value remember its latest n versions, the one in force among
// them; the default is DefaultHistory. It panics unless n is positive. A Tree takes
// no notice of it.
func WithHistory(n int) Option {
	return func(o *options) { o.history = n }
}
