package main

import (
	"cmp"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
)

// newRoot makes the command with all its parts.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "zkr",
		Short: "Coordinate processes through Apache ZooKeeper",
		Long: `Coordinate processes through Apache ZooKeeper.

The answer is printed on stdout, everything else on stderr. Commands wait unless
told not to, can be interrupted at any moment, and leave nothing behind.`,
		Version:           version(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              noCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetVersionTemplate("zkr {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })

	f := root.PersistentFlags()
	f.StringVar(&a.server, "server", cmp.Or(os.Getenv("ZK_SERVERS"), "127.0.0.1:2181"),
		"connect `string`: HOST:PORT,...[/CHROOT]; $ZK_SERVERS unless given")
	f.DurationVar(&a.timeout, "timeout", 10*time.Second, "session timeout to ask for")
	f.DurationVar(&a.connectTimeout, "connect-timeout", 10*time.Second, "how long to try for a first session")
	f.IntVar(&a.maxBuffer, "max-buffer", 1<<20-1, "`bytes` of a request, if the servers' jute.maxbuffer is larger")
	f.StringVar(&a.auth, "auth", "", "`SCHEME:CRED` to authenticate with; $ZKR_AUTH unless given")
	f.StringVar(&a.tls.ca, "tls-ca", "", "`file` of certificates to trust; turns TLS on")
	f.StringVar(&a.tls.cert, "tls-cert", "", "`file` of the client's certificate; turns TLS on")
	f.StringVar(&a.tls.key, "tls-key", "", "`file` of the key of --tls-cert")
	f.StringVar(&a.tls.serverName, "tls-server-name", "", "`name` in the servers' certificates; turns TLS on")
	f.BoolVar(&a.json, "json", false, "print one JSON object per line")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no notices on stderr")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log the session to stderr")

	root.AddCommand(newLock(a), newElect(a), newBarrier(a), newQueue(a), newConfig(a), newName(a), newMember(a), newService(a), newTask(a), newDev(a), newEnsemble(a))
	return root
}

// noCommand is the error of a command that does not exist.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		return usage("unknown command %q; did you mean %q?", args[0], like[0])
	}
	return usage("unknown command %q", args[0])
}

// version is that of the module, as the build recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown)"
	}
	return info.Main.Version
}
