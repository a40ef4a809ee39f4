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
	"os/signal"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == watchdogMode {
		os.Exit(watchdogMain(os.Args[2:]))
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main but for the end of the process, so that everything that is
// deferred happens before that.
func run(args []string, stdout, stderr io.Writer) int {
	handlePipes()
	a := &app{stdout: &output{w: stdout}, stderr: stderr}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	return a.exitCode(cmd, err)
}

// catchBrokenPipes has a write to a pipe that nobody reads fail instead of
// killing the process, which may own something that it has to release first.
// The signals are caught, and not ignored, since the children of this process
// would inherit that.
func catchBrokenPipes(sigs ...os.Signal) { signal.Notify(make(chan os.Signal, 1), sigs...) }
