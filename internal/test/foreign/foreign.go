//go:build interop

package foreign

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Python starts a script with Debian's Python, which has Kazoo.
func Python(t testing.TB, script string, args ...string) *Program {
	t.Helper()
	return Start(t, "/usr/bin/python3", append([]string{script}, args...)...)
}

// Java is a class that was compiled against Curator.
type Java struct{ classPath, class string }

// jars are those of Curator and what it depends on, in Debian.
var jars = []string{"curator-x-discovery", "curator-recipes", "curator-framework", "curator-client", "zookeeper", "zookeeper-jute",
	"guava", "slf4j-nop", "jackson-core", "jackson-databind", "jackson-annotations"}

// Compile compiles Java sources against Debian's Curator. The first one holds the main
// class, which has the name of its file.
func Compile(t testing.TB, sources ...string) Java {
	t.Helper()
	dir := t.TempDir()
	var path []string
	for _, jar := range jars {
		path = append(path, filepath.Join("/usr/share/java", jar+".jar"))
	}
	j := Java{strings.Join(append(path, dir), ":"), strings.TrimSuffix(filepath.Base(sources[0]), ".java")}
	args := append([]string{"-encoding", "UTF-8", "-cp", j.classPath, "-d", dir}, sources...)
	if out, err := exec.Command("javac", args...).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	return j
}

// Start runs the class.
func (j Java) Start(t testing.TB, args ...string) *Program {
	t.Helper()
	return Start(t, "java", append([]string{"-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8",
		"-cp", j.classPath, j.class}, args...)...)
}

// EachServer runs a test with a real server and with one in this process. The test gets a
// session and the connect string for its programs.
func EachServer(t *testing.T, test func(t *testing.T, s *session.Session, connect string)) {
	on := func(t *testing.T, addr string) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		s, err := session.Connect(ctx, addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close(context.Background()) })
		test(t, s, addr)
	}
	t.Run("on a real server", func(t *testing.T) {
		on(t, zktest.Ensemble(t, 1, zktest.WithTick(200*time.Millisecond)).Connect())
	})
	t.Run("on zktest", func(t *testing.T) {
		on(t, zktest.New(t, zktest.WithTick(200*time.Millisecond)).Addr())
	})
}
