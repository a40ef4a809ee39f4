//go:build unix

package main

import (
	"flag"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	// Transcripts wait more than they compute.
	flag.Set("test.parallel", "8")
	testscript.Main(m, map[string]func(){
		"zkr":     main,
		"puppet":  puppetMain,
		"foreign": foreignMain,
	})
}

// TestScripts runs the transcripts in testdata. In each of them zkr and what it
// runs are processes, and the server is in this one; stage_test.go says what the
// transcripts can do.
func TestScripts(t *testing.T) { runScripts(t, "testdata") }

func runScripts(t *testing.T, dir string) {
	// A process that nohup or a shell has started in the background ignores signals,
	// and so would zkr. One that is caught here has its default action there.
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(sig) {
			caught := make(chan os.Signal, 1)
			signal.Notify(caught, sig)
			t.Cleanup(func() { signal.Stop(caught) })
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                stageCommands,
		Setup: func(e *testscript.Env) error {
			s := newStage()
			e.Values[stageKey{}] = s
			e.Defer(s.close)
			// What the environment says must not reach the commands.
			for _, name := range []string{"ZK_SERVERS", "ZKR_AUTH"} {
				e.Setenv(name, "")
			}
			// Race detectors wait a second for reports that are not to come.
			e.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
			for _, name := range []string{"GOCOVERDIR", "ZOOKEEPER_HOME", "JAVA_HOME"} {
				if d := os.Getenv(name); d != "" {
					e.Setenv(name, d)
				}
			}
			return nil
		},
	})
}
