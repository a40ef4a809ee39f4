//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"os/signal"
	"syscall"
	"unsafe"
)

// A process group that is not in the foreground of its terminal cannot read from
// it. So a child whose stdin is the terminal has to be put there, as shells do
// with their jobs, and zkr has to step back while the child runs.

const stdin = 0

// inForeground reports whether stdin is the terminal in the foreground of which
// this process is.
func inForeground() bool {
	pgrp, ok := foreground()
	return ok && pgrp == syscall.Getpgrp()
}

// shareTerminal is called when the child has got the terminal: what zkr writes
// to it must not stop zkr, whatever stty tostop says. A child that is started
// while this is in force would inherit it.
func shareTerminal() { signal.Ignore(syscall.SIGTTOU) }

// reclaimTerminal takes the terminal back when the child has ended.
func reclaimTerminal() {
	setForeground(syscall.Getpgrp())
	signal.Reset(syscall.SIGTTOU)
}

// foreground is tcgetpgrp(3) of stdin. It fails if that is not the controlling
// terminal.
func foreground() (pgrp int, ok bool) {
	var n int32
	err := ioctl(syscall.TIOCGPGRP, &n)
	return int(n), err == nil
}

// setForeground is tcsetpgrp(3) of stdin. If it fails, the terminal has gone.
func setForeground(pgrp int) {
	n := int32(pgrp)
	_ = ioctl(syscall.TIOCSPGRP, &n)
}

func ioctl(request uintptr, arg *int32) error {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, stdin, request, uintptr(unsafe.Pointer(arg)))
	if errno != 0 {
		return errno
	}
	return nil
}
