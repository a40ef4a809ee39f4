// Zkr coordinates processes through Apache ZooKeeper from the command line.
//
// It is a client of the library and has no functions that the packages do not have.
// It prints answers on stdout and everything else on stderr. Commands wait unless a flag
// says otherwise, can be interrupted at any moment, and leave no nodes behind.
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

// run does the work of main and returns the exit code. It is separate because os.Exit
// does not run deferred functions.
func run(args []string, stdout, stderr io.Writer) int {
	proc.CatchBrokenPipes()
	line := newStatusLine(stderr)
	a := &app{stdout: &output{w: stdout, beforeWrite: line.clearFor(stdout)}, stderr: line}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(line)
	cmd, err := root.ExecuteC()
	return a.exitCode(cmd, err)
}
