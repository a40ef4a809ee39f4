// Zkr coordinates processes through Apache ZooKeeper from the command line.
//
// It is one more client of the library and does nothing that the packages do
// not. What it prints on stdout is the answer; all else goes to stderr. Every
// command waits unless told not to, can be interrupted at any moment, and leaves
// nothing behind in ZooKeeper.
package main

import (
	"io"
	"os"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == proc.WatchdogArg {
		os.Exit(proc.WatchdogMain(os.Args[2:]))
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main but for the end of the process, so that everything that is
// deferred happens before that.
func run(args []string, stdout, stderr io.Writer) int {
	proc.CatchBrokenPipes()
	a := &app{stdout: &output{w: stdout}, stderr: stderr}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	return a.exitCode(cmd, err)
}
