//go:build unix

package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// puppetMain is a command for zkr to run. It says "ready", then the name of each
// signal that it gets, and exits on TERM and INT.
func puppetMain() {
	code := flag.Int("exit", 0, "code to exit with")
	stubborn := flag.Bool("stubborn", false, "do not exit on TERM and INT")
	parent := flag.Bool("parent", false, "have a stubborn child, and leave it behind")
	name := flag.String("name", "ready", "what to say at first")
	blind := flag.Bool("blind", false, "do not read stdin")
	flag.Parse()

	in := make(chan os.Signal, 16)
	for _, sig := range signalNames {
		if sig != syscall.SIGCONT {
			signal.Notify(in, sig)
		}
	}
	if *parent {
		cmd := exec.Command("puppet", "-stubborn", "-name", "grandchild ready")
		cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
		if err := cmd.Start(); err != nil {
			panic(err)
		}
	}
	if !*blind {
		go func() { // without a transcript, no puppet
			io.Copy(io.Discard, os.Stdin)
			os.Exit(1)
		}()
	}
	fmt.Println(*name)
	for sig := range in {
		for n, s := range signalNames {
			if s == sig {
				fmt.Println(*name, "got", n)
			}
		}
		if !*stubborn && (sig == syscall.SIGTERM || sig == syscall.SIGINT) {
			os.Exit(*code)
		}
	}
}
