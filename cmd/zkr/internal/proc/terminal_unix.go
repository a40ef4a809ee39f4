//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package proc

import (
	"os/signal"
	"sync"
	"syscall"
	"unsafe"
)

// terminal is the controlling terminal. Only the process group in its foreground
// can read from it. So zkr puts a child that needs it into the foreground, as
// shells do with jobs, and takes the foreground back when the child has ended.
//
// With Spec.Foreground, a child whose stdin and stdout are the terminal is in the
// foreground from the start. Other children, which may be part of a pipeline, get
// the foreground when the system has stopped them because they used the terminal.
type terminal struct {
	mu     sync.Mutex
	opened bool
	fd     int
	owner  *Child // the child that zkr has put into the foreground
}

// controlling is the controlling terminal of this process.
var controlling terminal

// has reports whether c is in the foreground.
func (t *terminal) has(c *Child) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.owner == c
}

// free reports whether the terminal is stdin and stdout of zkr and can be given to
// a child that is about to be started.
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

// setOwner records a child that was started in the foreground.
func (t *terminal) setOwner(c *Child) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owner = c
	shareTerminal()
}

// give puts c into the foreground if zkr, or c itself, is there.
func (t *terminal) give(c *Child) bool {
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

// release takes the terminal back from c if c is in the foreground.
func (t *terminal) release(c *Child) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.owner == c {
		t.owner = nil
		t.restore()
	}
}

// reclaim takes the terminal back after a child could not be started.
func (t *terminal) reclaim() {
	t.mu.Lock()
	defer t.mu.Unlock()
	shareTerminal()
	t.restore()
}

// restore puts zkr into the foreground, unless the shell that started zkr has taken
// the terminal since. t.mu is held.
func (t *terminal) restore() {
	own := syscall.Getpgrp()
	shell, err := syscall.Getpgid(syscall.Getppid())
	if now, ok := foreground(t.fd); !ok || err == nil && shell != own && now == shell {
		return
	}
	setForeground(t.fd, own)
	syscall.Kill(0, syscall.SIGCONT) // other processes of a pipeline may have been stopped for using it
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

// shareTerminal is called when a child gets the terminal. Writing to the terminal,
// also under stty tostop, and taking it back must not stop zkr.
func shareTerminal() { signal.Ignore(syscall.SIGTTOU) }

// foreground is tcgetpgrp(3): it returns the process group in the foreground. It
// fails if fd is not the controlling terminal.
func foreground(fd int) (pgrp int, ok bool) {
	var n int32
	err := ioctl(fd, syscall.TIOCGPGRP, &n)
	return int(n), err == nil
}

// setForeground is tcsetpgrp(3). An error is ignored: the terminal is gone then.
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
