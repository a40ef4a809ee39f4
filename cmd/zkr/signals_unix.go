//go:build unix

package main

import (
	"os"
	"syscall"
)

// relayed are the signals that are passed on to the child.
var relayed = []os.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
}

func handlePipes() { catchBrokenPipes(syscall.SIGPIPE) }
