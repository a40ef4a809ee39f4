//go:build unix

package javaproc

import "syscall"

// terminate asks the process to end. SIGCONT is needed because a stopped process
// handles SIGTERM only after it has been continued.
func (p *Process) terminate() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Process.Signal(syscall.SIGCONT)
}

// Pause stops the process until Resume, as SIGSTOP does.
func (p *Process) Pause() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume continues a paused process.
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }
