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

// testCommandMain is testcmd, a command for zkr to run. It prints "ready", then the
// name of each signal that it receives, and exits after TERM and INT.
func testCommandMain() {
	code := flag.Int("exit", 0, "code to exit with")
	ignoreTerm := flag.Bool("ignoreterm", false, "do not exit after TERM and INT")
	leaveChild := flag.Bool("leavechild", false, "start a child that ignores TERM, and do not wait for it")
	name := flag.String("name", "ready", "the first line to print")
	noStdin := flag.Bool("nostdin", false, "do not read stdin")
	flag.Parse()

	received := make(chan os.Signal, 16)
	for _, sig := range signalNames {
		if sig != syscall.SIGCONT {
			signal.Notify(received, sig)
		}
	}
	if *leaveChild {
		cmd := exec.Command("testcmd", "-ignoreterm", "-name", "grandchild ready")
		cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
		if err := cmd.Start(); err != nil {
			panic(err)
		}
	}
	if !*noStdin {
		go func() { // ends the process when the script has ended
			io.Copy(io.Discard, os.Stdin)
			os.Exit(1)
		}()
	}
	fmt.Println(*name)
	for sig := range received {
		for n, s := range signalNames {
			if s == sig {
				fmt.Println(*name, "got", n)
			}
		}
		if !*ignoreTerm && (sig == syscall.SIGTERM || sig == syscall.SIGINT) {
			os.Exit(*code)
		}
	}
}
