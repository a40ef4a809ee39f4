//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"os/signal"
	"sync"
	"syscall"
	"unsafe"
)

// terminal is the controlling terminal. A process group that is not in its
// foreground cannot read from it. So a child that reads from it is put there, as
// shells do with their jobs, and zkr steps back while the child runs.
//
// A child whose stdin and stdout are the terminal is put there at once. Others,
// which may be part of a pipeline, are when the system has stopped them because
// they want it.
type terminal struct {
	mu     sync.Mutex
	opened bool
	fd     int
	owner  *child // whom zkr has put into the foreground
}

// controlling is that of this process.
var controlling terminal

// has reports whether c has been given the terminal.
func (t *terminal) has(c *child) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.owner == c
}

// free reports whether the terminal is stdin and stdout of zkr and can be given to
// a child that is to be started.
func (t *terminal) free() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for fd := range 2 {
		if _, ok := foreground(fd); !ok {
			return false
		}
	}
	return t.owner == nil && t.ours()
}

// given is called when the child has been started in the foreground.
func (t *terminal) given(c *child) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owner = c
	shareTerminal()
}

// take gives the terminal to c, provided that zkr has it.
func (t *terminal) take(c *child) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.owner != nil && t.owner != c || !t.ours() {
		return false
	}
	shareTerminal()
	setForeground(t.fd, c.pid)
	t.owner = c
	return true
}

// release takes the terminal back from c if it has it.
func (t *terminal) release(c *child) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.owner == c {
		t.owner = nil
		t.restore()
	}
}

// reclaim takes the terminal back from a child that could not be started.
func (t *terminal) reclaim() {
	t.mu.Lock()
	defer t.mu.Unlock()
	shareTerminal()
	t.restore()
}

// restore puts zkr into the foreground, unless the shell that has started it has
// taken the terminal meanwhile.
func (t *terminal) restore() {
	own := syscall.Getpgrp()
	shell, err := syscall.Getpgid(syscall.Getppid())
	if now, ok := foreground(t.fd); !ok || err == nil && shell != own && now == shell {
		return
	}
	setForeground(t.fd, own)
	syscall.Kill(0, syscall.SIGCONT) // others of a pipeline may have wanted it
}

// ours reports whether zkr is in the foreground. t.mu is held.
func (t *terminal) ours() bool {
	if !t.opened {
		var err error
		t.fd, err = syscall.Open("/dev/tty", syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
		if err != nil {
			t.fd = -1
		}
		t.opened = true
	}
	pgrp, ok := foreground(t.fd)
	return ok && pgrp == syscall.Getpgrp()
}

// shareTerminal is called when a child has the terminal: what zkr writes to it must
// not stop zkr, whatever stty tostop says, and neither must taking it back.
func shareTerminal() { signal.Ignore(syscall.SIGTTOU) }

// foreground is tcgetpgrp(3). It fails if fd is not the controlling terminal.
func foreground(fd int) (pgrp int, ok bool) {
	var n int32
	err := ioctl(fd, syscall.TIOCGPGRP, &n)
	return int(n), err == nil
}

// setForeground is tcsetpgrp(3). If it fails, the terminal has gone.
func setForeground(fd, pgrp int) {
	n := int32(pgrp)
	_ = ioctl(fd, syscall.TIOCSPGRP, &n)
}

func ioctl(fd int, request uintptr, arg *int32) error {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(arg)))
	if errno != 0 {
		return errno
	}
	return nil
}
