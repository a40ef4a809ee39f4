package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/session"
)

func newCompletion(a *app) *cobra.Command {
	shells := map[string]func(*cobra.Command) error{
		"bash": func(root *cobra.Command) error { return root.GenBashCompletionV2(a.stdout, true) },
		"zsh":  func(root *cobra.Command) error { return root.GenZshCompletion(a.stdout) },
		"fish": func(root *cobra.Command) error { return root.GenFishCompletion(a.stdout, true) },
		"powershell": func(root *cobra.Command) error {
			return root.GenPowerShellCompletionWithDesc(a.stdout)
		},
	}
	cmd := &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that completes zkr in a shell",
		Long: `Print a script that completes commands, flags, values of flags, and paths of
the ensemble. Paths are those that the servers of --server or $ZK_SERVERS have.
If no server answers within a second, paths are not completed.

Exit codes: 0, 2 for bad usage, 5 if the output cannot be written.`,
		Example: `  source <(zkr completion bash)      complete in this shell
  zkr completion fish > ~/.config/fish/completions/zkr.fish`,
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args: func(cmd *cobra.Command, args []string) error {
			if err := arguments("SHELL")(cmd, args); err != nil {
				return err
			}
			if shells[args[0]] == nil {
				return usage("%q is none of bash, zsh, fish and powershell", args[0])
			}
			return nil
		},
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return shells[args[0]](cmd.Root()) }
	return cmd
}

const (
	// completionTimeout bounds connecting and reading for a completion.
	completionTimeout = time.Second
	// maxCompletions is how many paths are offered.
	maxCompletions = 1000
)

// flagValues are the values of flags that have a fixed set, by command.
var flagValues = []struct {
	commands string // the words that the command begins with; "" for all
	flag     string
	values   []string
}{
	{"lock", "layout", []string{"curator", "kazoo"}},
	{"queue", "layout", []string{"native", "curator", "simple", "kazoo"}},
	{"service", "layout", []string{"curator", "spring", "micro", "kratos", "serverset"}},
	{"task master", "strategy", []string{"least-loaded", "round-robin", "sticky"}},
	{"dev", "zookeeper", []string{"3.8", "3.9"}},
	{"config set", "version", []string{"absent"}},
}

// addCompletions adds the completion of flag values and paths to all commands.
func (a *app) addCompletions(root *cobra.Command) {
	root.RegisterFlagCompletionFunc("auth", cobra.FixedCompletions([]string{"digest:"}, cobra.ShellCompDirectiveNoSpace|cobra.ShellCompDirectiveNoFileComp))
	for _, flag := range []string{"server", "timeout", "connect-timeout", "max-buffer", "tls-server-name"} {
		root.RegisterFlagCompletionFunc(flag, cobra.NoFileCompletions)
	}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		words := strings.TrimPrefix(cmd.CommandPath(), root.Name()+" ")
		for _, f := range flagValues {
			if strings.HasPrefix(words+" ", f.commands+" ") && cmd.LocalFlags().Lookup(f.flag) != nil {
				cmd.RegisterFlagCompletionFunc(f.flag, cobra.FixedCompletions(f.values, cobra.ShellCompDirectiveNoFileComp))
			}
		}
		if cmd.ValidArgs == nil && cmd.ValidArgsFunction == nil {
			cmd.ValidArgsFunction = a.completeArgument
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// completeArgument completes PATH, and NODE below it. The arguments of a command that is
// run are completed as files.
func (a *app) completeArgument(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	names := argumentNames(cmd)
	if len(args) >= len(names) {
		if _, wraps := cmd.Annotations[wrapsAnnotation]; wraps {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	switch names[len(args)] {
	case "PATH":
		return a.completePath(cmd, typed)
	case "NODE":
		children, _ := a.childrenForCompletion(args[0])
		return withPrefix(children, typed), cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// argumentNames returns the names of the arguments in the usage line.
func argumentNames(cmd *cobra.Command) (names []string) {
	use, _, _ := strings.Cut(cmd.Use, "-- ")
	for _, word := range strings.Fields(use)[1:] {
		if word = strings.Trim(word, "[]."); word != "" && word != "flags" && word == strings.ToUpper(word) && !strings.HasPrefix(word, "-") {
			names = append(names, word)
		}
	}
	// The names of flags' values come before PATH.
	if i := slices.Index(names, "PATH"); i > 0 {
		names = names[i:]
	}
	return names
}

// completePath returns the paths of the nodes that begin with typed.
func (a *app) completePath(cmd *cobra.Command, typed string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	if !strings.HasPrefix(typed, "/") {
		if typed == "" {
			return []string{"/"}, directive
		}
		return nil, directive
	}
	parent, _ := session.Split(typed)
	below := "/"
	if root := cmd.Flags().Lookup("root"); root != nil {
		below = root.Value.String() // names are relative to it
	}
	node := parent
	if below != "/" {
		node = session.Join(below, strings.TrimPrefix(parent, "/"))
		if parent == "/" {
			node = below
		}
	}
	children, err := a.childrenForCompletion(node)
	if err != nil {
		return nil, directive
	}
	for i, name := range children {
		children[i] = session.Join(parent, name)
	}
	return withPrefix(children, typed), directive
}

// withPrefix returns the words that begin with prefix, in order.
func withPrefix(words []string, prefix string) []string {
	words = slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, prefix) })
	slices.Sort(words)
	return words[:min(len(words), maxCompletions)]
}

// childrenForCompletion returns the children of a node. It prints nothing.
func (a *app) childrenForCompletion(path string) ([]string, error) {
	a.quiet, a.verbose = true, false
	a.connectTimeout = completionTimeout
	ctx, cancel := context.WithTimeout(context.Background(), completionTimeout)
	defer cancel()
	s, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer a.closeSession(ctx, s)
	children, _, err := s.Children(ctx, path)
	return children, err
}
