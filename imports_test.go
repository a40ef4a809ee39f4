package zkrecipes_test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/zkrecipes/zkrecipes"

// listed is a package as the go command sees it.
type listed struct {
	ImportPath string
	Name       string
	Imports    []string // of the package itself, and not of its tests
	Deps       []string // what these import in their turn as well
}

// rel is the package's folder; "" for the root.
func (p listed) rel() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// top is the first element of the package's folder.
func (p listed) top() string {
	top, _, _ := strings.Cut(p.rel(), "/")
	return top
}

// libraryPackages lists what other modules may import, and what that consists of.
func libraryPackages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Imports,Deps", "./...")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, complaint.String())
	}
	var ps []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains([]string{"cmd", "examples", "tests", "bench", "contrib"}, p.top()) {
			ps = append(ps, p)
		}
	}
	if len(ps) < 5 {
		t.Fatalf("go list found only %v", ps)
	}
	return ps
}

// recipe tells whether a package is one of the recipes.
func (p listed) recipe() bool {
	return !slices.Contains([]string{"", "internal", "session", "codec", "zktest"}, p.top())
}

// in tells whether an import is of this module, and gives it as a package.
func in(path string) (listed, bool) {
	return listed{ImportPath: path}, path == module || strings.HasPrefix(path, module+"/")
}

func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// The library imports go-zookeeper, backoff and the standard library. Each of the
// former two is imported by one package.
func TestImportsOfOthers(t *testing.T) {
	importers := map[string]string{
		"github.com/go-zookeeper/zk":     "session",
		"github.com/cenkalti/backoff/v4": "internal/client/backoff",
	}
	used := map[string]bool{}
	for _, p := range libraryPackages(t) {
		for _, path := range p.Imports {
			if _, ours := in(path); ours || standard(path) {
				continue
			}
			if p.rel() != importers[path] {
				t.Errorf("%s imports %s", p.ImportPath, path)
			}
			used[path] = true
		}
	}
	for path, importer := range importers {
		if !used[path] {
			t.Errorf("%s does not import %s", importer, path)
		}
	}
}

// A recipe is read by itself: what two of them need is internal. Nor does what
// serves tests get into programs.
func TestImportsOfEachOther(t *testing.T) {
	forTests := []string{"testing", "testing/synctest", module + "/zktest", module + "/internal/test/faulttable"}
	for _, p := range libraryPackages(t) {
		if p.rel() == "zktest" || p.rel() == "internal/test/faulttable" {
			continue
		}
		for _, path := range p.Deps {
			if slices.Contains(forTests, path) {
				t.Errorf("%s depends on %s", p.ImportPath, path)
			}
			if other, ours := in(path); ours && other.recipe() && other.top() != p.top() {
				t.Errorf("%s depends on the recipe %s", p.ImportPath, path)
			}
		}
	}
}

// The map in doc.go leaves out no package.
func TestMapIsComplete(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	text := file.Doc.Text()
	if want := "Package zkrecipes "; !strings.HasPrefix(text, want) {
		t.Errorf("it begins with %q", text[:min(len(text), 80)])
	}
	for _, p := range libraryPackages(t) {
		if p.top() == "internal" || p.rel() == "" || p.Name == "main" {
			continue
		}
		if !strings.Contains(text, "Package ["+p.ImportPath+"]") {
			t.Errorf("doc.go has no paragraph on package %s", p.rel())
		}
	}
}
