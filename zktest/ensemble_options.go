package zktest

import (
	"os"
	"time"
)

// ensembleOptionFunc is an EnsembleOption for ensembles only.
type ensembleOptionFunc func(*ensembleOptions)

func (f ensembleOptionFunc) applyEnsemble(o *ensembleOptions) { f(o) }

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

// newEnsembleOptions returns ZooKeeper's defaults, except for a shorter tick, with opts
// applied.
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
			// By default the next vote after a partition may take place a minute later.
			{"zookeeper.fastleader.maxNotificationInterval", "1000"},
			{"org.slf4j.simpleLogger.showDateTime", "true"},
			{"org.slf4j.simpleLogger.dateTimeFormat", "HH:mm:ss.SSS"},
		},
	}
	for _, opt := range opts {
		opt.applyEnsemble(o)
	}
	return o
}

// WithInitLimit sets ZooKeeper's initLimit: in how many ticks a follower must have joined
// its leader. The default is 20.
func WithInitLimit(ticks int) EnsembleOption {
	return ensembleOptionFunc(func(o *ensembleOptions) { o.initLimit = ticks })
}

// WithSyncLimit sets ZooKeeper's syncLimit: after how many ticks without a message a
// leader and a follower close their connection. The default is 10.
func WithSyncLimit(ticks int) EnsembleOption {
	return ensembleOptionFunc(func(o *ensembleOptions) { o.syncLimit = ticks })
}

// WithDir stores the data, logs and configuration of the servers in dir, which Close does
// not remove: the next ensemble with this dir starts with the data of the last one. By
// default they are stored in a temporary folder.
//
// The ensemble does not start if another one uses dir, or if dir is neither empty nor
// the folder of an earlier ensemble.
func WithDir(dir string) EnsembleOption {
	return ensembleOptionFunc(func(o *ensembleOptions) { o.dir = dir })
}

// WithPorts makes the first server listen on these ports of 127.0.0.1, for clients and
// for its peers, the second server on the next ports, and so on. A single server uses
// only the client port. By default the servers listen on free ports.
//
// Clients and peers connect to these ports directly, without proxies, so none of the
// servers can be cut off.
func WithPorts(client, quorum, election int) EnsembleOption {
	return ensembleOptionFunc(func(o *ensembleOptions) { o.ports = ports{client, quorum, election} })
}

// WithHome sets the folder of the ZooKeeper to run, in the layout of the official
// archive. The default is $ZOOKEEPER_HOME or, if that is not set, Debian's package.
func WithHome(dir string) EnsembleOption {
	return ensembleOptionFunc(func(o *ensembleOptions) { o.home = dir })
}

// WithProperty sets a Java system property of the servers, for instance
// znode.container.checkIntervalMs, the interval between two checks for empty
// containers, or zookeeper.forceSync: with "yes" the servers wait for the disk.
func WithProperty(key, value string) EnsembleOption {
	return ensembleOptionFunc(func(o *ensembleOptions) {
		o.properties = append(o.properties, setting{key, value})
	})
}

// WithJVMFlags adds flags of the Java virtual machine. By default the servers' heap is
// small; "-Xmx512m" makes room for values of several megabytes.
func WithJVMFlags(flags ...string) EnsembleOption {
	return ensembleOptionFunc(func(o *ensembleOptions) { o.jvmFlags = append(o.jvmFlags, flags...) })
}

// WithConfig adds a line to the servers' configuration file.
func WithConfig(key, value string) EnsembleOption {
	return ensembleOptionFunc(func(o *ensembleOptions) {
		o.config = append(o.config, setting{key, value})
	})
}
