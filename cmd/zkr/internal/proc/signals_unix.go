//go:build unix

package proc

import (
	"os"
	"os/signal"
	"syscall"
)

// relayed are the signals that are passed on to children.
var relayed = []os.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
}

// CatchBrokenPipes makes a write to a pipe without a reader return EPIPE instead of
// killing the process, which may own something that it has to release first.
//
// It catches SIGPIPE. Ignoring the signal would be inherited by children.
func CatchBrokenPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
