//go:build interop

package config_test

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// foreign is a program that answers each line with one.
type foreign struct {
	testing.TB
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t *testing.T, name string, args ...string) *foreign {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	cmd := exec.CommandContext(ctx, name, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer cancel()
		in.Close()
		if err := cmd.Wait(); t.Failed() {
			t.Logf("%s: %v\n%s", name, err, errs.String())
		}
	})
	return &foreign{t, in, bufio.NewScanner(out)}
}

// wants says line and checks the answer.
func (f *foreign) wants(line, want string) {
	f.Helper()
	if _, err := io.WriteString(f.in, line+"\n"); err != nil {
		f.Fatal(err)
	}
	if !f.out.Scan() {
		f.Fatalf("no answer to %q (%v)", line, f.out.Err())
	}
	if got := f.out.Text(); got != want {
		f.Errorf("%s: %q, not %q", line, got, want)
	}
}

// eachServer runs a test on a real server and on zktest.
func eachServer(t *testing.T, test func(t *testing.T, s *session.Session, connect string)) {
	connectTo := func(t *testing.T, addr string) {
		s, err := session.Connect(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close(context.Background()) })
		test(t, s, addr)
	}
	t.Run("on a real server", func(t *testing.T) {
		connectTo(t, zktest.Ensemble(t, 1, zktest.WithTick(200*time.Millisecond)).Connect())
	})
	t.Run("on zktest", func(t *testing.T) {
		connectTo(t, zktest.New(t, zktest.WithTick(200*time.Millisecond)).Addr())
	})
}

func follow[T any](t *testing.T, s *session.Session, path string, c codec.Codec[T]) *config.Value[T] {
	t.Helper()
	var zero T
	v, err := config.OpenOr(t.Context(), s, path, c, zero)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

func holds[T comparable](t *testing.T, v *config.Value[T], want T) {
	t.Helper()
	testkit.Await(t, v, "what the other has written", func() bool { return v.Load() == want && v.Err() == nil })
}

func increment[T int | int32](n T) (T, error) { return n + 1, nil }

// Curator's SharedCount, counters and NodeCache see what a Value writes and write
// what it sees, and nothing is lost when both count at the same time.
func TestCurator(t *testing.T) {
	dir := t.TempDir()
	var jars []string
	for _, jar := range []string{"curator-recipes", "curator-framework", "curator-client", "zookeeper", "zookeeper-jute", "guava", "slf4j-nop"} {
		jars = append(jars, filepath.Join("/usr/share/java", jar+".jar"))
	}
	classPath := strings.Join(append(jars, dir), ":")
	if out, err := exec.Command("javac", "-cp", classPath, "-d", dir, "testdata/interop/Shared.java").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	eachServer(t, func(t *testing.T, s *session.Session, connect string) {
		java := start(t, "java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", classPath, "Shared", connect)
		java.wants("count /shared 5", "5")
		n := follow(t, s, "/shared", codec.Int32())
		holds(t, n, 5)
		if err := n.Update(t.Context(), increment[int32]); err != nil {
			t.Fatal(err)
		}
		java.wants("counts 6", "6")
		java.wants("try -2147483648", "true")
		holds(t, n, -2147483648)
		if err := n.Put(t.Context(), 0, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		java.wants("counts 0", "0")

		const times = 50
		var both sync.WaitGroup
		both.Go(func() {
			for range times {
				if err := n.Update(t.Context(), increment[int32]); err != nil {
					t.Error(err)
				}
			}
		})
		java.wants("increment /shared 50", "ok")
		both.Wait()
		holds(t, n, 2*times)
		java.wants("counts 100", "100")

		long := follow(t, s, "/long", codec.Int64())
		if err := long.Put(t.Context(), 1<<40, config.Absent); err != nil {
			t.Fatal(err)
		}
		java.wants("long /long -1", "1099511627775")
		holds(t, long, 1<<40-1)

		text := follow(t, s, "/text", codec.Text())
		java.wants("cache /text", "ok")
		for _, v := range []string{"one", "two"} {
			if err := text.Put(t.Context(), v, session.AnyVersion); err != nil {
				t.Fatal(err)
			}
			java.wants("caches "+v, v)
		}
		if err := s.Delete(t.Context(), "/text", session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		java.wants("caches", "")
	})
}

// So do Kazoo's DataWatch and Counter.
func TestKazoo(t *testing.T) {
	eachServer(t, func(t *testing.T, s *session.Session, connect string) {
		python := start(t, "/usr/bin/python3", "testdata/interop/shared.py", connect)
		text := follow(t, s, "/text", codec.Text())
		python.wants("watch /text", "ok")
		if err := text.Put(t.Context(), "one", session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		python.wants("sees one", "one")
		python.wants("set /text two", "ok")
		holds(t, text, "two")
		if err := s.Delete(t.Context(), "/text", session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		python.wants("sees -", "-")

		n := follow(t, s, "/counter", codec.JSON[int]())
		if err := n.Put(t.Context(), 7, config.Absent); err != nil {
			t.Fatal(err)
		}
		const times = 50
		var both sync.WaitGroup
		both.Go(func() {
			for range times {
				if err := n.Update(t.Context(), increment[int]); err != nil {
					t.Error(err)
				}
			}
		})
		python.wants("count /counter 50", "ok")
		both.Wait()
		holds(t, n, 7+2*times)
	})
}
