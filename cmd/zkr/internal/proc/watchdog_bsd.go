//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package proc

import (
	"os"
	"runtime"
)

// waitContinued is 0: not every system has the option, and it matters little.
const waitContinued = 0

// monotonicClock is CLOCK_MONOTONIC.
var monotonicClock = map[string]int32{"darwin": 6, "dragonfly": 4, "freebsd": 4, "netbsd": 3, "openbsd": 3}[runtime.GOOS]

// prepareWatchdog does nothing: the watchdog does not adopt descendants here.
func prepareWatchdog() {}

// killChildren does nothing: the watchdog knows only the command's process group.
func killChildren() {}

func executable() (string, error) { return os.Executable() }
