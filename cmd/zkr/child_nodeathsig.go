//go:build darwin || dragonfly || netbsd || openbsd

package main

import "syscall"

// dieWithParent does nothing where the system has no means for it.
func dieWithParent(*syscall.SysProcAttr) {}
