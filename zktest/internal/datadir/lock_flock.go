//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd || illumos

package datadir

import (
	"os"
	"syscall"
)

const canLock = true

// tryLock locks the folder until f is closed or the process ends. It returns false if
// another process has locked it.
func tryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
