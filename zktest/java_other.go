//go:build !unix

package zktest

import (
	"errors"
	"syscall"
)

func processAttributes() *syscall.SysProcAttr { return nil }

func (p *process) terminate() { p.cmd.Process.Kill() }

func (p *process) pause() error  { return errors.ErrUnsupported }
func (p *process) resume() error { return errors.ErrUnsupported }
