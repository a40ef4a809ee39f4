//go:build !unix

package zktest

import (
	"errors"
	"os"
	"syscall"
)

func processAttributes() *syscall.SysProcAttr { return nil }

func (p *process) terminate() { p.cmd.Process.Kill() }

func (p *process) pause() error  { return errors.ErrUnsupported }
func (p *process) resume() error { return errors.ErrUnsupported }

// tryLock cannot tell whether a folder is in use here, and claims that it is.
func tryLock(*os.File) bool { return false }
