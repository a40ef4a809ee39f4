package repo

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testFunc  = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	citedTest = regexp.MustCompile("`(?:([a-z/]+)\\.)?(Test[A-Z]\\w+)(\\*?)(?:/[^`]*)?`")
)

// testFuncs returns the names of the module's test functions, by the last element of
// their package's folder.
func testFuncs(t *testing.T) map[string][]string {
	funcs := make(map[string][]string)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		pkg := filepath.Base(filepath.Dir(path))
		for _, m := range testFunc.FindAllSubmatch(text, -1) {
			funcs[pkg] = append(funcs[pkg], string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return funcs
}

// The tests that the documents cite exist. `lock.TestDo` is a test of package lock, and
// `TestDo` one of any package; `TestDo*` stands for several.
func TestCitedTestsExist(t *testing.T) {
	inRoot(t)
	funcs := testFuncs(t)
	exists := func(pkg, name string, prefix bool) bool {
		for p, names := range funcs {
			for _, n := range names {
				if (pkg == "" || p == filepath.Base(pkg)) && (n == name || prefix && strings.HasPrefix(n, name)) {
					return true
				}
			}
		}
		return false
	}
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	cited := 0
	for _, doc := range append(docs, "README.md", "CONTRIBUTING.md", "SECURITY.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range citedTest.FindAllStringSubmatch(string(text), -1) {
			cited++
			if !exists(m[1], m[2], m[3] != "") {
				t.Errorf("%s cites %s, which does not exist", doc, m[0])
			}
		}
	}
	if cited < 50 {
		t.Errorf("the documents cite only %d tests", cited)
	}
}
