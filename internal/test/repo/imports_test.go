package repo

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

// goPackage is a package as go list prints it.
type goPackage struct {
	ImportPath string
	Name       string
	Imports    []string // of the package itself, without those of its tests
	Deps       []string // the transitive closure of Imports
}

// dir is the package's folder, relative to the root; "" for the root.
func (p goPackage) dir() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// top is the first element of dir.
func (p goPackage) top() string {
	top, _, _ := strings.Cut(p.dir(), "/")
	return top
}

// forTests reports whether only tests may import the package.
func (p goPackage) forTests() bool {
	return p.top() == "zktest" || strings.HasPrefix(p.dir()+"/", "internal/test/")
}

// libraryPackages lists the packages that other modules can import, and the internal
// packages.
func libraryPackages(t *testing.T) []goPackage {
	t.Helper()
	inRoot(t)
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Imports,Deps", "./...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var ps []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
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

// recipe reports whether the package is one of the recipes.
func (p goPackage) recipe() bool {
	return !slices.Contains([]string{"", "internal", "session", "codec", "zktest"}, p.top())
}

// ours returns the package of an import path, and whether it belongs to this module.
func ours(path string) (goPackage, bool) {
	return goPackage{ImportPath: path}, path == module || strings.HasPrefix(path, module+"/")
}

func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// The library imports go-zookeeper, backoff and the standard library. One package
// imports go-zookeeper, and one backoff. The packages below internal/test are no part of
// the library: only tests import them, which TestImportsOfEachOther checks.
func TestImportsOfOthers(t *testing.T) {
	importers := map[string]string{
		"github.com/go-zookeeper/zk":     "internal/client/conn",
		"github.com/cenkalti/backoff/v4": "internal/client/backoff",
	}
	used := map[string]bool{}
	for _, p := range libraryPackages(t) {
		if strings.HasPrefix(p.dir(), "internal/test/") {
			continue
		}
		for _, path := range p.Imports {
			if _, ours := ours(path); ours || standard(path) {
				continue
			}
			if p.dir() != importers[path] {
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

// No recipe depends on another one, and no package that programs import depends on a
// package for tests.
func TestImportsOfEachOther(t *testing.T) {
	for _, p := range libraryPackages(t) {
		if p.forTests() {
			continue
		}
		for _, path := range p.Deps {
			other, ours := ours(path)
			if slices.Contains([]string{"testing", "testing/synctest"}, path) || ours && other.forTests() {
				t.Errorf("%s depends on %s", p.ImportPath, path)
			}
			if ours && other.recipe() && other.top() != p.top() {
				t.Errorf("%s depends on the recipe %s", p.ImportPath, path)
			}
		}
	}
}

// doc.go in the root has a paragraph on every package.
func TestMapIsComplete(t *testing.T) {
	packages := libraryPackages(t)
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	text := file.Doc.Text()
	if want := "Package zkrecipes "; !strings.HasPrefix(text, want) {
		t.Errorf("it begins with %q", text[:min(len(text), 80)])
	}
	for _, p := range packages {
		if strings.Contains("/"+p.dir(), "/internal/") || p.dir() == "" || p.Name == "main" {
			continue
		}
		if !strings.Contains(text, "Package ["+p.ImportPath+"]") {
			t.Errorf("doc.go has no paragraph on package %s", p.dir())
		}
	}
}
