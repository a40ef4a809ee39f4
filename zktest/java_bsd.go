//go:build unix && !linux

package zktest

import "syscall"

// processAttributes puts a server into a process group of its own, so that
// Ctrl-C at the terminal is for us alone.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
