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
	// Scripts wait more than they compute.
	flag.Set("test.parallel", "8")
	testscript.Main(m, map[string]func(){
		"zkr":     main,
		"testcmd": testCommandMain,
		"gozk":    goZookeeperMain,
	})
}

// TestScripts runs the scripts in testdata, with the commands in scriptCommands. zkr
// and the commands that it runs are processes; the server runs in the test process.
func TestScripts(t *testing.T) { runScripts(t, "testdata") }

func runScripts(t *testing.T, dir string) {
	// If nohup or a shell in the background has started the tests, they ignore signals,
	// and zkr would, too. A signal that is caught here has its default action in zkr.
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
		Cmds:                scriptCommands,
		Setup: func(e *testscript.Env) error {
			s := newScriptEnv()
			e.Values[scriptEnvKey{}] = s
			e.Defer(s.close)
			// The environment of the tests must not affect the commands.
			for _, name := range []string{"ZK_SERVERS", "ZKR_AUTH"} {
				e.Setenv(name, "")
			}
			// Race detectors wait a second for further reports before they exit.
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
