//go:build darwin || dragonfly || netbsd || openbsd

package proc

import "syscall"

// dieWithParent does nothing: the system cannot kill a child when its parent ends.
func dieWithParent(*syscall.SysProcAttr) {}
