//go:build !unix

package proc

import (
	"os"
	"syscall"
)

// relayed are the signals that are passed on to children.
var relayed = []os.Signal{os.Interrupt, syscall.SIGTERM}

// CatchBrokenPipes does nothing: this system has no signal for a broken pipe.
func CatchBrokenPipes() {}
