package javaproc

import "syscall"

// processAttributes puts the child into a separate process group, so that Ctrl-C at the
// terminal interrupts this process only, and has the child killed when this
// process dies.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
