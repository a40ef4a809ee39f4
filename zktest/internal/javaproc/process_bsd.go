//go:build unix && !linux

package javaproc

import "syscall"

// processAttributes puts the child into a separate process group, so that Ctrl-C at the
// terminal interrupts this process only.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
