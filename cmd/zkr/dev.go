package main

import (
	"cmp"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func newDev(a *app) *cobra.Command {
	var listen, data, version string
	var tick, shortest, longest, sweep time.Duration
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run an in-process server for development",
		Long: `Run a server that any ZooKeeper client can talk to, until INT or TERM.

The server runs in this process, needs no Java and starts immediately. It keeps
its data in memory, and in the file of --data if that is given. To clients it
behaves as ZooKeeper 3.9, or as 3.8. It grants session timeouts as a real
server does: 2 to 20 ticks, which is 4 to 40 s unless flags change it. When it
is ready, it prints "listening on HOST:PORT".

Exit codes: 0 after INT or TERM, 1 if it cannot serve, 2 for bad usage, 5 if
the output cannot be written.`,
		Example: `  zkr dev
  zkr dev --listen 127.0.0.1:0        a free port
  zkr dev --data tree.zk              keep the data between runs
  zkr dev --tick 100ms                sessions of 200 ms to 2 s
  zkr dev --zookeeper 3.8             an older server`,
		Args: arguments(),
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:2181", "`host:port` to listen on")
	cmd.Flags().StringVar(&data, "data", "", "`file` that keeps the data between runs")
	cmd.Flags().StringVar(&version, "zookeeper", "3.9", "`version` to behave as: 3.8 or 3.9")
	cmd.Flags().DurationVar(&tick, "tick", 2*time.Second, "`time` between two checks for expired sessions")
	cmd.Flags().DurationVar(&shortest, "min-timeout", 0, "shortest session `timeout` that is granted (default 2 ticks)")
	cmd.Flags().DurationVar(&longest, "max-timeout", 0, "longest session `timeout` that is granted (default 20 ticks)")
	cmd.Flags().DurationVar(&sweep, "container-check", time.Minute, "`time` between two removals of empty containers and of nodes whose TTL has passed")
	cmd.RunE = func(*cobra.Command, []string) error {
		if version != "3.8" && version != "3.9" {
			return usage("--zookeeper %s is neither 3.8 nor 3.9", version)
		}
		shortest, longest = cmp.Or(shortest, 2*tick), cmp.Or(longest, 20*tick)
		switch {
		case tick < time.Millisecond:
			return usage("--tick %v is shorter than 1 ms", tick)
		case shortest < time.Millisecond, longest < shortest:
			return usage("the range of session timeouts is empty or too short: from %v to %v", shortest, longest)
		case sweep <= 0:
			return usage("--container-check %v is not positive", sweep)
		}
		sig := proc.NewSignals(nil, nil)
		defer sig.Close()
		opts := []zktest.Option{zktest.WithAddr(listen), zktest.WithVersion(version),
			zktest.WithTick(tick), zktest.WithTimeouts(shortest, longest), zktest.WithContainerCheck(sweep)}
		if data != "" {
			opts = append(opts, zktest.WithFile(data))
		}
		s, err := zktest.Start(opts...)
		if err != nil {
			return err
		}
		defer s.Close()
		if err := a.print("listening on "+s.Addr(), map[string]string{"listening": s.Addr()}); err != nil {
			return err
		}
		<-sig.WaitContext().Done()
		return afterSignal(sig)
	}
	return cmd
}
