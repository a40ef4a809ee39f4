//go:build linux || freebsd

package main

import "syscall"

// dieWithParent has the child killed when this process ends in whatever way, so
// that a killed zkr leaves nobody at work who owns nothing any more. It goes for
// the child itself, not for processes that it has started.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
