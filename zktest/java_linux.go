package zktest

import "syscall"

// processAttributes puts a server into a process group of its own, so that
// Ctrl-C at the terminal is for us alone, and has it killed when we die.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
