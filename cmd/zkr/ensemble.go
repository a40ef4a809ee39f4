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

// The times of the pseudo-cluster in ZooKeeper's documentation.
const (
	ensembleTick      = 2 * time.Second
	ensembleInitLimit = 10
	ensembleSyncLimit = 5
)

// The ports by which servers reach each other are so far above those of their
// clients: 2888 and 3888, where these are 2181.
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
		Long: `Run an ensemble of real ZooKeeper servers as processes of this machine, until INT
or TERM.

A line is printed for each server, with its role, and then "ready CONNECT", where
CONNECT is what --server takes. Java and ZooKeeper have to be installed; the latter
is looked for in $ZOOKEEPER_HOME, and then where Debian's package puts it.

Clients find the servers at ports 2181, 2182 and so on of 127.0.0.1; the servers find
each other at 2888 and 3888, 2889 and 3889, and so on. --port moves all of them by as
much. Choose ports below those that the system gives to outgoing connections (from 32768
on, on most Linux systems). Each server has a folder of its own in DIR, with its zoo.cfg,
data and log. DIR has to be empty or that of an ensemble. When a server has ended or was
killed, stderr says so; the others go on, and when none is left, zkr ends as well.

Exit codes: 0 after INT or TERM, 128+N if signal N came before all was ready, 1 if the
servers cannot run or have ended, 2 for bad usage, 5 if the output cannot be written.`,
		Example: `  zkr ensemble
  zkr ensemble --servers 5 --port 12181 --dir /var/tmp/zk`,
		Args: noArguments,
	}
	fs := cmd.Flags()
	fs.IntVar(&f.servers, "servers", 3, "how many")
	fs.IntVar(&f.port, "port", 2181, "client port of the first, the others' follow")
	fs.StringVar(&f.dir, "dir", "", "`folder` to keep data, logs and configuration in, for the next time; by default they go with the servers")
	cmd.RunE = func(*cobra.Command, []string) error { return a.ensemble(f) }
	return cmd
}

// highest is the highest port that the servers use.
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
		return usage("--servers %d", f.servers)
	case f.servers > quorumOffset:
		return usage("--servers %d: there are ports for %d", f.servers, quorumOffset)
	case f.port < 1, f.port > 65535:
		return usage("--port %d", f.port)
	case highest > 65535:
		return usage("--port %d: the ports go up to %d", f.port, highest)
	}
	return nil
}

func (f ensembleFlags) options() []zktest.EnsembleOption {
	opts := []zktest.EnsembleOption{
		zktest.WithPorts(f.port, f.port+quorumOffset, f.port+electionOffset), zktest.WithDir(f.dir),
		zktest.WithTick(ensembleTick), zktest.WithInitLimit(ensembleInitLimit), zktest.WithSyncLimit(ensembleSyncLimit),
	}
	if f.dir != "" { // what is to be kept has to be on the disk
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
	sig := proc.NewSignals(nil, nil) // the servers have to be stopped in any case
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

// watchServers returns where it is told how each of the servers has ended.
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

// printServers prints the servers, once each has a role.
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
	return a.print("ready "+c.Connect(), struct {
		Ready string `json:"ready"`
	}{c.Connect()})
}

// awaitRoles waits until all servers have one, in vain if one of them ends.
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

// reportEnds waits for a signal, and tells which servers end meanwhile.
func (a *app) reportEnds(sig *proc.Signals, servers int, ends <-chan error) error {
	for left := servers; left > 0; {
		select {
		case end := <-ends:
			left--
			if left > servers/2 {
				a.notice("%v; %d of %d are left", end, left, servers)
			} else {
				a.notice("%v; %d of %d are left, which is no majority", end, left, servers)
			}
		case <-sig.WaitContext().Done():
			return afterSignal(sig)
		}
	}
	return errors.New("no server is left")
}
