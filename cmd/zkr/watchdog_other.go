//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"os"
	"runtime"
)

// waitContinued is not an option of wait4 everywhere, and little is lost without it.
const waitContinued = 0

// monotonicClock is CLOCK_MONOTONIC.
var monotonicClock = map[string]int32{"darwin": 6, "dragonfly": 4, "freebsd": 4, "netbsd": 3, "openbsd": 3}[runtime.GOOS]

// prepareWatchdog and killChildren do nothing: here the guard knows only of the
// command's process group.
func prepareWatchdog() {}

func killChildren() {}

func executable() (string, error) { return os.Executable() }
