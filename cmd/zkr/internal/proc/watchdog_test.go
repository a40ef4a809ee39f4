//go:build linux

package proc

import (
	"errors"
	"os"
	"testing"
	"time"
)

// silentProgram is the name under which the test binary does nothing.
const silentProgram = "silent"

func TestMain(m *testing.M) {
	switch {
	case os.Args[0] == silentProgram:
		time.Sleep(time.Hour)
	case len(os.Args) > 1 && os.Args[1] == WatchdogArg:
		killAtStage()
		os.Exit(WatchdogMain(os.Args[2:]))
	case os.Args[0] == zkrProgram:
		zkrMain()
		return
	}
	os.Exit(m.Run())
}

// A watchdog that is stopped before it has reported the start of the command does not
// block zkr beyond the deadline.
func TestWatchdogStoppedEarly(t *testing.T) {
	p := &Child{name: "true", done: make(chan struct{}), spec: Spec{
		Env: os.Environ(), Stdin: os.Stdin,
		Deadline: func() (time.Time, <-chan struct{}) { return time.Now().Add(200 * time.Millisecond), nil },
	}}
	// The watchdog is started under the name of this process.
	args := os.Args
	os.Args = []string{silentProgram}
	defer func() { os.Args = args }()
	if _, err := p.startWatchdog(&Command{File: "/bin/true", Args: []string{"true"}}, false); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("startWatchdog: %v", err)
	}
}
