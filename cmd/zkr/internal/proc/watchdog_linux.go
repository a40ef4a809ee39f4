package proc

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	monotonicClock = unix.CLOCK_MONOTONIC
	waitContinued  = syscall.WCONTINUED
)

// prepareWatchdog makes the watchdog the parent of all descendants that lose their
// parent. It also renames the process, so that killall zkr does not kill it.
func prepareWatchdog() {
	unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	os.WriteFile("/proc/self/comm", []byte("watchdog"), 0)
}

// killChildren kills the children of the watchdog. Their children become children of
// the watchdog.
func killChildren() {
	files, _ := filepath.Glob("/proc/self/task/*/children")
	for _, f := range files {
		list, _ := os.ReadFile(f)
		for _, word := range bytes.Fields(list) {
			if pid, err := strconv.Atoi(string(word)); err == nil {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// executable returns the file of the running program, even if another file has
// replaced it since.
func executable() (string, error) {
	const running = "/proc/self/exe"
	if _, err := os.Stat(running); err == nil {
		return running, nil
	}
	return os.Executable()
}
