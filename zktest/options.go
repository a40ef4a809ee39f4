package zktest

import (
	"errors"
	"fmt"
	"time"
)

// An Option changes how a server behaves.
type Option func(*options)

type options struct {
	tick        time.Duration
	min, max    time.Duration // of session timeouts
	container   time.Duration // between looks for containers to remove
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

// WithTick sets the server's unit of time. Sessions expire at multiples of it, and
// the shortest session timeout is twice as long. The default is 50 ms, so that tests
// can have short sessions; a real server's is 2 s or 3 s.
func WithTick(d time.Duration) Option { return func(o *options) { o.tick = d } }

// WithTimeouts sets the bounds within which the server grants the
// timeouts that clients ask for. The defaults are two ticks and one minute; a real
// server's are 2 and 20 ticks.
func WithTimeouts(shortest, longest time.Duration) Option {
	return func(o *options) { o.min, o.max = shortest, longest }
}

// WithContainerCheck sets how often the server looks for containers that have
// lost their last child and for nodes whose time to live is over, once a
// minute unless told.
func WithContainerCheck(d time.Duration) Option { return func(o *options) { o.container = d } }

// WithAddr opens the TCP listener at once, on this address. Without it the
// first call of Addr opens one on a free port of 127.0.0.1.
func WithAddr(addr string) Option { return func(o *options) { o.listen = addr } }

// WithSuperDigest names the digest, "super:" and the base64 of a SHA-1, whose
// password lets a client do everything.
func WithSuperDigest(digest string) Option { return func(o *options) { o.superDigest = digest } }

// WithMaxBuffer is ZooKeeper's jute.maxbuffer, 1048575 unless told: the server
// closes a connection that sends a longer request.
func WithMaxBuffer(bytes int) Option { return func(o *options) { o.maxBuffer = bytes } }

// WithEnforcedAuth refuses every request of a client that has not authenticated with
// one of schemes, and closes the connection, as enforce.auth.enabled and
// enforce.auth.schemes do. The schemes are digest, ip and super.
func WithEnforcedAuth(schemes ...string) Option { return func(o *options) { o.schemes = schemes } }

// WithVersion makes the server behave as ZooKeeper 3.8 or, unless told, 3.9
// does, where clients can tell these apart.
func WithVersion(version string) Option { return func(o *options) { o.version = version } }

// WithFile keeps the tree and the sessions in a file: the server begins with
// what is in it, writes it within a second of a change and when it is closed. A
// session in it has its full timeout to be resumed. A server that follows one
// that was killed counts transactions from a new epoch on, as after an election:
// above every zxid that the killed server has given out, so that it turns no client
// away.
func WithFile(name string) Option { return func(o *options) { o.file = name } }

// check completes the options.
func (o *options) check() error {
	if o.min == 0 {
		o.min = 2 * o.tick
	}
	o.old = o.version == "3.8"
	switch {
	case o.version != "3.8" && o.version != "3.9":
		return fmt.Errorf("zktest: ZooKeeper %q, not 3.8 or 3.9", o.version)
	case o.tick < time.Millisecond:
		return fmt.Errorf("zktest: tick of %v is under a millisecond", o.tick)
	case o.min <= 0 || o.max < o.min:
		return fmt.Errorf("zktest: session timeouts from %v to %v", o.min, o.max)
	case o.container <= 0:
		return fmt.Errorf("zktest: container check every %v", o.container)
	case o.maxBuffer < 64:
		return errors.New("zktest: maximal buffer too small for any request")
	}
	return o.checkRefused()
}
