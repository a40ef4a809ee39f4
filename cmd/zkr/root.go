package main

import (
	"cmp"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// newRoot returns the command zkr with its subcommands.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "zkr",
		Short: "Coordinate processes through Apache ZooKeeper",
		Long: `Coordinate processes through Apache ZooKeeper.

zkr prints answers on stdout and everything else on stderr. Commands wait
unless a flag says otherwise, can be interrupted at any moment, and leave no
nodes behind but empty containers, which the servers remove.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("zkr {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })

	f := root.PersistentFlags()
	f.StringVar(&a.server, "server", cmp.Or(os.Getenv("ZK_SERVERS"), "127.0.0.1:2181"),
		"connect `string`: HOST:PORT,...[/CHROOT]; default $ZK_SERVERS")
	f.DurationVar(&a.timeout, "timeout", 10*time.Second, "session timeout to request")
	f.DurationVar(&a.connectTimeout, "connect-timeout", 10*time.Second, "how long to try for a first session")
	f.IntVar(&a.maxBuffer, "max-buffer", 1<<20-1, "size of a request in `bytes`; set it if the servers' jute.maxbuffer is larger")
	f.StringVar(&a.auth, "auth", "", "`SCHEME:CRED` to authenticate with; default $ZKR_AUTH")
	f.StringVar(&a.tls.ca, "tls-ca", "", "`file` of certificates to trust; enables TLS")
	f.StringVar(&a.tls.cert, "tls-cert", "", "`file` of the client's certificate; enables TLS")
	f.StringVar(&a.tls.key, "tls-key", "", "`file` of the key of --tls-cert")
	f.StringVar(&a.tls.serverName, "tls-server-name", "", "`name` in the servers' certificates; enables TLS")
	f.BoolVar(&a.json, "json", false, "print one JSON object per line")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no notices on stderr")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log the session to stderr")

	root.AddCommand(newLock(a), newElect(a), newBarrier(a), newQueue(a), newConfig(a), newName(a), newMember(a), newService(a), newTask(a), newDev(a), newEnsemble(a), newInspect(a),
		newDoctor(a), newBench(a))
	root.AddCommand(newCompletion(a), newMan())
	a.addCompletions(root)
	useNarrowHelp(root)
	return root
}

// noCommand returns an error if there are arguments: they name no command.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		return usage("unknown command %q; did you mean %q?", args[0], like[0])
	}
	return usage("unknown command %q", args[0])
}

// version returns the version of the module, the commit if it was built in a repository,
// and the Go version and platform of the build.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	of := []string{info.GoVersion, runtime.GOOS + "/" + runtime.GOARCH}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			of = append(of, "commit "+s.Value[:min(len(s.Value), 12)])
		}
	}
	return cmp.Or(info.Main.Version, "(unknown)") + " (" + strings.Join(of, ", ") + ")"
}
