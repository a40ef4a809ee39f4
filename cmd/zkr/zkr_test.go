//go:build unix

package main

import (
	"flag"
	"os"
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
		"mute":    func() { select {} },
	})
}

// TestScripts runs the transcripts in testdata. In each of them zkr and what it
// runs are processes, and the server is in this one; stage_test.go says what the
// transcripts can do.
func TestScripts(t *testing.T) { runScripts(t, "testdata") }

func runScripts(t *testing.T, dir string) {
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
