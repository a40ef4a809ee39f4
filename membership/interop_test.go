//go:build interop

package membership_test

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// foreign is a program that answers each line with one.
type foreign struct {
	testing.TB
	in  io.WriteCloser
	out *bufio.Scanner
	cmd *exec.Cmd
}

func start(t *testing.T, name string, args ...string) *foreign {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Limit)
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
	return &foreign{t, in, bufio.NewScanner(out), cmd}
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

// kill ends the program without a word to the server.
func (f *foreign) kill() {
	if err := f.cmd.Process.Kill(); err != nil {
		f.Error(err)
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

// Members of this package and of Curator's GroupMember see each other come,
// change, go and die.
func TestCuratorGroupMember(t *testing.T) {
	dir := t.TempDir()
	var jars []string
	for _, jar := range []string{"curator-recipes", "curator-framework", "curator-client", "zookeeper", "zookeeper-jute", "guava", "slf4j-nop"} {
		jars = append(jars, filepath.Join("/usr/share/java", jar+".jar"))
	}
	classPath := strings.Join(append(jars, dir), ":")
	if out, err := exec.Command("javac", "-cp", classPath, "-d", dir, "testdata/interop/Member.java").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	eachServer(t, func(t *testing.T, s *session.Session, connect string) {
		java := start(t, "java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", classPath, "Member", connect)
		w := watch(t, group(s))
		w.until("")
		ours := join(t, group(s), "ours", "1")
		java.wants("join "+path+" java a", "ok")
		w.until("java=a ours=1")
		java.wants("await java=a ours=1", "java=a ours=1")
		update(t, ours, "2")
		java.wants("await java=a ours=2", "java=a ours=2")
		java.wants("set b", "ok")
		v := w.until("java=b ours=2")
		if first, _ := v.First(); first.ID != "ours" {
			t.Errorf("the first is %+v", first)
		}
		leave(t, ours)
		java.wants("await java=b", "java=b")
		java.wants("leave", "ok")
		w.until("")
		java.wants("join "+path+" java again", "ok")
		w.until("java=again")
		java.kill()
		w.until("")
		w.stop()
	})
}

// The same of Kazoo's Party and ShallowParty.
func TestKazooParty(t *testing.T) {
	eachServer(t, func(t *testing.T, s *session.Session, connect string) {
		for kind, l := range map[string]membership.Layout{"party": membership.KazooParty, "shallow": membership.KazooShallowParty} {
			python := start(t, "/usr/bin/python3", "testdata/interop/party.py", connect)
			g := group(s, membership.WithLayout(l))
			w := watch(t, g)
			w.until("")
			ours := join(t, g, "ours-1", "")
			python.wants("join "+kind+" "+path+" py-1", "ok")
			theirs := "ours-1= py-1="
			if kind == "shallow" {
				theirs = "ours-1=ours-1 py-1=py-1"
			}
			w.until(theirs)
			python.wants("await ours-1 py-1", "ours-1 py-1 2")
			twin := join(t, g, "py-1", "")
			python.wants("await ours-1 py-1 py-1", "ours-1 py-1 py-1 3")
			leave(t, ours)
			leave(t, twin)
			python.wants("await py-1", "py-1 1")
			python.wants("leave", "ok")
			w.until("")
			python.wants("join "+kind+" "+path+" py-2", "ok")
			for len(w.next().Members) == 0 {
			}
			python.kill()
			w.until("")
			w.stop()
		}
	})
}
