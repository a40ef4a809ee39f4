//go:build linux || freebsd

package proc

import "syscall"

// dieWithParent makes the system kill the child when its parent, the watchdog,
// ends for any reason. This does not apply to processes that the child starts.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
