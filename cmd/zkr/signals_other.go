//go:build !unix

package main

import (
	"os"
	"syscall"
)

// relayed are the signals that are passed on to the child.
var relayed = []os.Signal{os.Interrupt, syscall.SIGTERM}

func handlePipes() {}
