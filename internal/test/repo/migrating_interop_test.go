//go:build interop

package repo

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/test/foreign"
)

// write writes a snippet to a file with the given name, and returns its path.
func write(t *testing.T, s snippet, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, s.code, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestMigratingFromCurator(t *testing.T) {
	inRoot(t)
	before, after := beforeAndAfter(t, "curator.md")
	class := regexp.MustCompile(`public class (\w+)`).FindSubmatch(before.code)
	if class == nil {
		t.Fatal("the program has no public class")
	}
	java := foreign.Compile(t, write(t, before, string(class[1])+".java"))
	excludeEachOther(t, func(t *testing.T, addr string) *foreign.Program { return java.Start(t, addr) },
		executable(build(t, after)[0]))
}

func TestMigratingFromKazoo(t *testing.T) {
	inRoot(t)
	before, after := beforeAndAfter(t, "kazoo.md")
	script := write(t, before, "report.py")
	excludeEachOther(t, func(t *testing.T, addr string) *foreign.Program { return foreign.Python(t, script, addr) },
		executable(build(t, after)[0]))
}
