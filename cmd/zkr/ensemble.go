package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The settings of the pseudo-cluster in ZooKeeper's documentation.
const (
	ensembleTick      = 2 * time.Second
	ensembleInitLimit = 10
	ensembleSyncLimit = 5
)

// The distances of a server's quorum and election ports from its client port: 2888 and
// 3888 for 2181.
const (
	quorumOffset   = 2888 - 2181
	electionOffset = 3888 - 2181
)

type ensembleFlags struct {
	servers int
	port    int
	dir     string
}

func newEnsemble(a *app) *cobra.Command {
	var f ensembleFlags
	cmd := &cobra.Command{
		Use:   "ensemble",
		Short: "Run real ZooKeeper servers on this machine",
		Long: `Run an ensemble of real ZooKeeper servers as processes on this machine, until
INT or TERM.

zkr prints a line for each server, with its role, and then "ready CONNECT".
CONNECT is a value for --server. Java and ZooKeeper must be installed. zkr
looks for ZooKeeper in $ZOOKEEPER_HOME, and then where Debian's package
installs it.

The servers listen for clients on ports 2181, 2182 and so on of 127.0.0.1, and
for each other on 2888 and 3888, 2889 and 3889, and so on. --port shifts all of
them. Choose ports below those that the system uses for outgoing connections
(from 32768 on most Linux systems). Each server has a folder in DIR, with its
zoo.cfg, data and log. DIR must be empty or belong to an earlier ensemble. If a
server ends or is killed, zkr prints a notice and the other servers continue.
When none is left, zkr ends as well.

Exit codes: 0 after INT or TERM, 128+N if signal N came before all servers were
ready, 1 if the servers cannot run or have ended, 2 for bad usage, 5 if the
output cannot be written.`,
		Example: `  zkr ensemble
  zkr ensemble --servers 5 --port 12181 --dir /var/tmp/zk`,
		Args: arguments(),
	}
	fs := cmd.Flags()
	fs.IntVar(&f.servers, "servers", 3, "number of servers")
	fs.IntVar(&f.port, "port", 2181, "client port of the first server; those of the others follow")
	fs.StringVar(&f.dir, "dir", "", "`folder` for data, logs and configuration; by default they are removed at the end")
	cmd.RunE = func(*cobra.Command, []string) error { return a.ensemble(f) }
	return cmd
}

// highest returns the highest port that the servers use.
func (f ensembleFlags) highest() int {
	highest := f.port + f.servers - 1
	if f.servers > 1 {
		highest += electionOffset
	}
	return highest
}

func (f ensembleFlags) check() error {
	highest := f.highest()
	switch {
	case f.servers < 1:
		return usage("--servers %d is not positive", f.servers)
	case f.servers > quorumOffset:
		return usage("--servers %d is too many; there are ports for %d", f.servers, quorumOffset)
	case f.port < 1, f.port > 65535:
		return usage("--port %d is no port", f.port)
	case highest > 65535:
		return usage("--port %d is too high; the servers would use ports up to %d", f.port, highest)
	}
	return nil
}

func (f ensembleFlags) options() []zktest.EnsembleOption {
	opts := []zktest.EnsembleOption{
		zktest.WithPorts(f.port, f.port+quorumOffset, f.port+electionOffset), zktest.WithDir(f.dir),
		zktest.WithTick(ensembleTick), zktest.WithInitLimit(ensembleInitLimit), zktest.WithSyncLimit(ensembleSyncLimit),
	}
	if f.dir != "" { // the data is kept, so it must reach the disk
		opts = append(opts, zktest.WithProperty("zookeeper.forceSync", "yes"))
	}
	return opts
}

func (a *app) ensemble(f ensembleFlags) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	if lowest, highest := zktest.EphemeralPorts(); f.port <= highest && f.highest() >= lowest {
		a.notice("ports %d to %d may be taken by outgoing connections at any time, and the servers use ports up to %d; choose a lower --port", lowest, highest, f.highest())
	}
	sig := proc.NewSignals(nil, nil) // no exitNow: the servers must be stopped in any case
	defer sig.Close()
	c, err := zktest.StartEnsemble(sig.WaitContext(), f.servers, f.options()...)
	if err != nil {
		return signalOr(sig, err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	ends := watchServers(sig.WaitContext(), c)
	if err := a.printServers(sig.WaitContext(), c, ends); err != nil {
		return signalOr(sig, err)
	}
	return a.reportEnds(sig, f.servers, ends)
}

// watchServers returns a channel that receives the error of each server that ends.
func watchServers(ctx context.Context, c *zktest.Cluster) <-chan error {
	servers := c.Servers()
	ends := make(chan error, len(servers))
	for _, n := range servers {
		go func() {
			if err := n.Wait(ctx); ctx.Err() == nil {
				ends <- err
			}
		}()
	}
	return ends
}

// printServers waits until each server has a role, and prints the servers.
func (a *app) printServers(ctx context.Context, c *zktest.Cluster, ends <-chan error) error {
	leader, followers, err := awaitRoles(ctx, c, ends)
	if err != nil {
		return err
	}
	for _, n := range c.Servers() {
		role := "follower"
		switch {
		case followers == nil:
			role = "standalone"
		case n == leader:
			role = "leader"
		}
		err := a.print(fmt.Sprintf("server %d %s %s", n.ID(), n.Addr(), role), struct {
			Server  int    `json:"server"`
			Address string `json:"address"`
			Role    string `json:"role"`
		}{n.ID(), n.Addr(), role})
		if err != nil {
			return err
		}
	}
	return a.print("ready "+c.Connect(), map[string]string{"ready": c.Connect()})
}

// awaitRoles waits until all servers have a role. It returns an error if one ends.
func awaitRoles(ctx context.Context, c *zktest.Cluster, ends <-chan error) (leader *zktest.Node, followers []*zktest.Node, err error) {
	ctx, cancel := context.WithCancel(ctx)
	settled := make(chan struct{})
	go func() {
		defer close(settled)
		leader, followers, err = c.Roles(ctx)
	}()
	select {
	case <-settled:
		cancel()
	case end := <-ends:
		cancel()
		<-settled
		err = end
	}
	return leader, followers, err
}

// reportEnds prints a notice for each server that ends, until a signal comes.
func (a *app) reportEnds(sig *proc.Signals, servers int, ends <-chan error) error {
	for left := servers; left > 0; {
		select {
		case end := <-ends:
			left--
			if left > servers/2 {
				a.notice("%v; %d of %d are left", end, left, servers)
			} else {
				a.notice("%v; %d of %d are left, not a majority", end, left, servers)
			}
		case <-sig.WaitContext().Done():
			return afterSignal(sig)
		}
	}
	return errors.New("no server is left")
}
