package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// The times of the pseudo-cluster in ZooKeeper's documentation.
const (
	ensembleTick      = 2 * time.Second
	ensembleInitLimit = 10
	ensembleSyncLimit = 5
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
is looked for in $ZOOKEEPER_HOME, and then where Debian's package puts it.`,
		Example: `  zkr ensemble
  zkr ensemble --servers 5 --port 12181 --dir /var/tmp/zk`,
		Args: noArguments,
	}
	fs := cmd.Flags()
	fs.IntVar(&f.servers, "servers", 3, "how many")
	fs.IntVar(&f.port, "port", 2181, "client port of the first, the others' follow")
	fs.StringVar(&f.dir, "dir", "", "`folder` to keep data, logs and configuration in; by default they go with the servers")
	cmd.RunE = func(*cobra.Command, []string) error { return a.ensemble(f) }
	return cmd
}

func (a *app) ensemble(f ensembleFlags) (err error) {
	if f.servers < 1 {
		return usage("--servers %d", f.servers)
	}
	if f.port < 1 || f.port+f.servers-1 > 65535 {
		return usage("--port %d", f.port)
	}
	sig := watchSignals()
	defer sig.stop()
	c, err := zktest.StartEnsemble(sig.waiting, f.servers, zktest.WithClientPort(f.port), zktest.WithDir(f.dir),
		zktest.WithTickTime(ensembleTick), zktest.WithInitLimit(ensembleInitLimit), zktest.WithSyncLimit(ensembleSyncLimit))
	if err != nil {
		return sig.failure(err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := a.introduce(sig.waiting, c); err != nil {
		return sig.failure(err)
	}
	return sig.await()
}

// introduce prints the servers.
func (a *app) introduce(ctx context.Context, c *zktest.Cluster) error {
	leader, followers, err := c.Roles(ctx)
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
		err := a.answer(fmt.Sprintf("server %d %s %s", n.ID(), n.Addr(), role), struct {
			Server  int    `json:"server"`
			Address string `json:"address"`
			Role    string `json:"role"`
		}{n.ID(), n.Addr(), role})
		if err != nil {
			return err
		}
	}
	return a.answer("ready "+c.Connect(), struct {
		Ready string `json:"ready"`
	}{c.Connect()})
}
