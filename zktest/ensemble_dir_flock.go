//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd || illumos

package zktest

import (
	"os"
	"syscall"
)

const canLock = true

// tryLock takes the folder for this process, until f is closed or the process
// ends, unless another process has it.
func tryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
