package zktest

import (
	"os"
	"time"
)

// An EnsembleOption changes how Ensemble and StartEnsemble run servers.
type EnsembleOption func(*ensembleOptions)

type setting struct{ key, value string }

type ensembleOptions struct {
	tick       time.Duration
	initLimit  int
	syncLimit  int
	minSession time.Duration
	maxSession time.Duration
	dir        string
	home       string
	ports      ports
	jvmFlags   []string
	properties []setting
	config     []setting
}

// The defaults are a server's own but for the tick, which is short so that
// short sessions and prompt expiry are to be had.
func newEnsembleOptions(opts []EnsembleOption) *ensembleOptions {
	o := &ensembleOptions{
		tick:       500 * time.Millisecond,
		initLimit:  20,
		syncLimit:  10,
		maxSession: 40 * time.Second,
		home:       os.Getenv("ZOOKEEPER_HOME"),
		properties: []setting{
			{"zookeeper.extendedTypesEnabled", "true"}, // nodes with a time to live
			// A test does not survive a power failure, so its data need not.
			{"zookeeper.forceSync", "no"},
			// After a partition the next vote may otherwise be a minute away.
			{"zookeeper.fastleader.maxNotificationInterval", "1000"},
			{"org.slf4j.simpleLogger.showDateTime", "true"},
			{"org.slf4j.simpleLogger.dateTimeFormat", "HH:mm:ss.SSS"},
		},
	}
	for _, opt := range opts {
		opt(o)
	}
	return o
}

// WithTickTime sets the servers' unit of time, 500 ms by default: sessions
// last at least two ticks, and expire up to one tick late.
func WithTickTime(d time.Duration) EnsembleOption { return func(o *ensembleOptions) { o.tick = d } }

// WithInitLimit sets how many ticks a follower gets to join its leader; the
// default is 20.
func WithInitLimit(ticks int) EnsembleOption {
	return func(o *ensembleOptions) { o.initLimit = ticks }
}

// WithSyncLimit sets after how many ticks of silence servers give each other
// up; the default is 10.
func WithSyncLimit(ticks int) EnsembleOption {
	return func(o *ensembleOptions) { o.syncLimit = ticks }
}

// WithSessionLimits bounds the session timeouts that clients may ask for;
// the default is two ticks up to 40 seconds.
func WithSessionLimits(min, max time.Duration) EnsembleOption {
	return func(o *ensembleOptions) { o.minSession, o.maxSession = min, max }
}

// WithDir keeps the servers' data, logs and configuration in dir, which Close
// then leaves alone: the next ensemble there has the data of the last one. Two
// cannot have it at once. A folder that is neither empty nor an
// ensemble's is an error. The default is a folder that goes with the ensemble.
func WithDir(dir string) EnsembleOption { return func(o *ensembleOptions) { o.dir = dir } }

// WithPorts has the servers listen on these ports of 127.0.0.1, for clients and for
// each other, the second server on the next ones, and so on. They are reached
// directly: there is no proxy, and none of them can be cut off. By default the ports
// are any free ones. A single server has no use for quorum and election.
func WithPorts(client, quorum, election int) EnsembleOption {
	return func(o *ensembleOptions) { o.ports = ports{client, quorum, election} }
}

// WithHome runs the ZooKeeper in a folder in the layout of the official
// archive. The default is $ZOOKEEPER_HOME, or else Debian's package.
func WithHome(dir string) EnsembleOption { return func(o *ensembleOptions) { o.home = dir } }

// WithProperty sets a Java system property of the servers, for instance
// znode.container.checkIntervalMs (how often empty containers are removed) or
// zookeeper.forceSync (yes: wait for the disk).
func WithProperty(key, value string) EnsembleOption {
	return func(o *ensembleOptions) { o.properties = append(o.properties, setting{key, value}) }
}

// WithJVMFlags adds flags of the Java virtual machine, for instance -Xmx512m: the
// servers' heap is small by default, and does not hold many values of several MB.
func WithJVMFlags(flags ...string) EnsembleOption {
	return func(o *ensembleOptions) { o.jvmFlags = append(o.jvmFlags, flags...) }
}

// WithConfig sets a line of the servers' configuration file.
func WithConfig(key, value string) EnsembleOption {
	return func(o *ensembleOptions) { o.config = append(o.config, setting{key, value}) }
}
