//go:build !unix

package javaproc

import (
	"errors"
	"syscall"
)

func processAttributes() *syscall.SysProcAttr { return nil }

func (p *Process) terminate() { p.cmd.Process.Kill() }

// Pause stops the process until Resume, as SIGSTOP does.
func (p *Process) Pause() error { return errors.ErrUnsupported }

// Resume continues a paused process.
func (p *Process) Resume() error { return errors.ErrUnsupported }
