package proc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Environment of the processes that TestKilledAtStage starts.
const (
	killStageVar   = "PROC_TEST_STAGE"   // the stage at which the watchdog kills
	killVictimsVar = "PROC_TEST_VICTIMS" // what it kills: "watchdog", "zkr" or both
	zkrProgram     = "zkr-for-tests"     // the name under which the test binary runs zkrMain
)

// killAtStage is called by a watchdog process before it starts to work.
func killAtStage() {
	stage, victims := os.Getenv(killStageVar), os.Getenv(killVictimsVar)
	reached = func(s string) {
		if s != stage {
			return
		}
		time.Sleep(100 * time.Millisecond) // enough for a command that runs to start processes
		for victim := range strings.FieldsSeq(victims) {
			pid := os.Getpid()
			if victim == "zkr" {
				pid = os.Getppid()
			}
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// zkrMain runs a script under a watchdog, as zkr does. It prints how the script has ended.
func zkrMain() {
	s := NewSignals(nil, nil)
	defer s.Close()
	c, err := s.Start(&Command{File: "/bin/sh", Args: []string{"sh", "-c", os.Args[1]}}, Spec{
		Env: os.Environ(), Stdin: os.Stdin, Notice: func(string, ...any) {},
		Deadline: func() (time.Time, <-chan struct{}) { return time.Now().Add(time.Hour), nil },
	})
	if err == nil {
		<-c.Done()
		err = c.Err()
	}
	fmt.Println(errors.Is(err, ErrWatchdogKilled), err)
}

// If the watchdog or zkr is killed at any moment, nothing of the command's group is left,
// and zkr reports the end of the watchdog.
func TestKilledAtStage(t *testing.T) {
	for _, stage := range []string{"prepared", "forked", "ready", "released", "started", "running"} {
		for _, victims := range []string{"watchdog", "zkr", "watchdog zkr", "zkr watchdog"} {
			if strings.Contains(victims, " ") && slices.Contains([]string{"released", "started", "running"}, stage) {
				continue // the command runs, and no process is left that could kill its group
			}
			t.Run(stage+"/"+victims, func(t *testing.T) {
				t.Parallel()
				testKilledAtStage(t, stage, victims)
			})
		}
	}
}

func testKilledAtStage(t *testing.T, stage, victims string) {
	const script = `sh -c 'while :; do sleep 0.1; done' & while :; do sleep 0.1; done`
	zkr := &exec.Cmd{Path: "/proc/self/exe", Args: []string{zkrProgram, script}, Dir: t.TempDir()}
	zkr.Env = append(os.Environ(), killStageVar+"="+stage, killVictimsVar+"="+victims)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	zkr.Stdout = w // inherited by all processes
	var stderr bytes.Buffer
	zkr.Stderr = &stderr
	if err := zkr.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	r.SetReadDeadline(time.Now().Add(30 * time.Second))
	out, err := io.ReadAll(bufio.NewReader(r))
	if err != nil {
		t.Errorf("processes are left: %v", processesIn(zkr.Dir))
		for _, pid := range processesIn(zkr.Dir) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	zkr.Wait()
	if victims == "watchdog" && !strings.HasPrefix(string(out), "true ") {
		t.Errorf("zkr has reported %q; %s", out, &stderr)
	}
}

// processesIn returns the processes that work in a directory.
func processesIn(dir string) (pids []int) {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == dir {
			var pid int
			fmt.Sscanf(link, "/proc/%d", &pid)
			pids = append(pids, pid)
		}
	}
	return pids
}
