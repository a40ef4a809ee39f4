package zktest

import (
	"errors"
	"fmt"
	"time"
)

// An Option configures New and Start.
type Option interface{ applyServer(*options) }

// An EnsembleOption configures Ensemble and StartEnsemble.
type EnsembleOption interface{ applyEnsemble(*ensembleOptions) }

// A CommonOption configures both the in-process server and ensembles of real servers.
type CommonOption interface {
	Option
	EnsembleOption
}

// WithTick sets the server's unit of time. Sessions expire at multiples of it, and by
// default the shortest session timeout is two ticks.
//
// The default is 50 ms for New and Start and 500 ms for Ensemble and StartEnsemble, so
// that tests can have short sessions. In production 2 s or 3 s are usual.
func WithTick(d time.Duration) CommonOption { return tickOption(d) }

type tickOption time.Duration

func (d tickOption) applyServer(o *options)           { o.tick = time.Duration(d) }
func (d tickOption) applyEnsemble(o *ensembleOptions) { o.tick = time.Duration(d) }

// WithTimeouts sets the shortest and the longest session timeout that the server grants.
// A client that asks for another timeout gets the nearest of the two.
//
// The defaults are two ticks and one minute for New and Start, two ticks and 40 s for
// Ensemble and StartEnsemble. A ZooKeeper server grants 2 to 20 ticks by default.
func WithTimeouts(shortest, longest time.Duration) CommonOption {
	return timeoutsOption{shortest, longest}
}

type timeoutsOption struct{ shortest, longest time.Duration }

func (t timeoutsOption) applyServer(o *options) { o.min, o.max = t.shortest, t.longest }
func (t timeoutsOption) applyEnsemble(o *ensembleOptions) {
	o.minSession, o.maxSession = t.shortest, t.longest
}

// optionFunc is an Option for the in-process server only.
type optionFunc func(*options)

func (f optionFunc) applyServer(o *options) { f(o) }

type options struct {
	tick        time.Duration
	min, max    time.Duration // of session timeouts
	container   time.Duration // between two checks for containers to delete
	listen      string
	superDigest string
	maxBuffer   int
	version     string
	schemes     []string // one of which every client must use; nil for none
	file        string
	old         bool // version 3.8
	refused     map[string]Refusal
}

func defaults() options {
	return options{
		tick:      50 * time.Millisecond,
		max:       time.Minute,
		container: time.Minute,
		maxBuffer: 0xfffff,
		version:   "3.9",
	}
}

// WithContainerCheck sets how often the server looks for empty containers and for nodes
// whose time to live is over. The default is once a minute, as on real servers.
func WithContainerCheck(d time.Duration) Option {
	return optionFunc(func(o *options) { o.container = d })
}

// WithAddr opens a TCP listener on addr when the server starts. By default the first
// call of Server.Addr opens one on a free port of 127.0.0.1.
func WithAddr(addr string) Option { return optionFunc(func(o *options) { o.listen = addr }) }

// WithSuperDigest sets the digest of the superuser: "super:" and the base64 of a SHA-1. A
// client that authenticates with its password has all permissions.
func WithSuperDigest(digest string) Option {
	return optionFunc(func(o *options) { o.superDigest = digest })
}

// WithMaxBuffer sets ZooKeeper's jute.maxbuffer: the server closes a connection on which
// a longer request comes in. The default is 1048575.
func WithMaxBuffer(bytes int) Option { return optionFunc(func(o *options) { o.maxBuffer = bytes }) }

// WithEnforcedAuth makes the server refuse every request of a client that has not
// authenticated with one of schemes, and close the connection, as ZooKeeper's
// enforce.auth.enabled and enforce.auth.schemes do. The schemes are digest, ip and super.
func WithEnforcedAuth(schemes ...string) Option {
	return optionFunc(func(o *options) { o.schemes = schemes })
}

// WithVersion sets which ZooKeeper the server behaves like where clients can see a
// difference: "3.8" or "3.9", which is the default.
func WithVersion(version string) Option {
	return optionFunc(func(o *options) { o.version = version })
}

// WithFile stores the nodes and the sessions in a file. The server reads it when it
// starts, and writes it within a second of a change and when it is closed. A session in
// it can be resumed within its full timeout.
//
// If the last server was killed, the new one continues in a new epoch, as after an
// election: its zxids are above all zxids of the killed server, so it accepts clients
// that have seen these.
func WithFile(name string) Option { return optionFunc(func(o *options) { o.file = name }) }

// check sets the defaults that depend on other options, and validates the options.
func (o *options) check() error {
	if o.min == 0 {
		o.min = 2 * o.tick
	}
	o.old = o.version == "3.8"
	switch {
	case o.version != "3.8" && o.version != "3.9":
		return fmt.Errorf("zktest: version %q: want 3.8 or 3.9", o.version)
	case o.tick < time.Millisecond:
		return fmt.Errorf("zktest: tick of %v is shorter than a millisecond", o.tick)
	case o.min <= 0 || o.max < o.min:
		return fmt.Errorf("zktest: invalid session timeouts: %v to %v", o.min, o.max)
	case o.container <= 0:
		return fmt.Errorf("zktest: invalid interval of the container check: %v", o.container)
	case o.maxBuffer < 64:
		return errors.New("zktest: maximal buffer is too small for any request")
	}
	return o.checkRefused()
}
