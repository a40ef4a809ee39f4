package main

import (
	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/zktest"
)

func newDev(a *app) *cobra.Command {
	var listen, data string
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run an in-process server, for development",
		Long: `Run a server that any ZooKeeper client can talk to, until INT or TERM.

It lives in this process, needs no Java, starts in no time and keeps everything in
memory: what is in it goes when it ends, unless --data names a file to keep it in.
When it is ready, the line "listening on HOST:PORT" is printed.`,
		Example: `  zkr dev
  zkr dev --listen 127.0.0.1:0        a free port
  zkr dev --data tree.zk              what is in it is there again next time`,
		Args: noArguments,
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:2181", "`host:port` to listen on")
	cmd.Flags().StringVar(&data, "data", "", "`file` to keep the tree in between runs")
	cmd.RunE = func(*cobra.Command, []string) error {
		sig := watchSignals()
		defer sig.stop()
		opts := []zktest.Option{zktest.WithAddr(listen)}
		if data != "" {
			opts = append(opts, zktest.WithFile(data))
		}
		s, err := zktest.Start(opts...)
		if err != nil {
			return err
		}
		defer s.Close()
		err = a.answer("listening on "+s.Addr(), struct {
			Listening string `json:"listening"`
		}{s.Addr()})
		if err != nil {
			return err
		}
		return sig.await()
	}
	return cmd
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("unexpected argument %q", args[0])
	}
	return nil
}
