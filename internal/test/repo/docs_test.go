package repo

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// exists reports whether a test is among funcs. Without a package, it may be in any.
func exists(funcs map[string][]string, cited []string) bool {
	pkg, name, prefix := cited[1], cited[2], cited[3] != ""
	for p, names := range funcs {
		for _, n := range names {
			if (pkg == "" || p == filepath.Base(pkg)) && (n == name || prefix && strings.HasPrefix(n, name)) {
				return true
			}
		}
	}
	return false
}

// The tests that the documents cite exist. `lock.TestDo` is a test of package lock, and
// `TestDo` one of any package; `TestDo*` stands for several.
func TestCitedTestsExist(t *testing.T) {
	inRoot(t)
	funcs := testFuncs(t)
	cited := 0
	for _, doc := range append(documents(t), "CONTRIBUTING.md", "SECURITY.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range citedTest.FindAllStringSubmatch(string(text), -1) {
			cited++
			if !exists(funcs, m) {
				t.Errorf("%s cites %s, which does not exist", doc, m[0])
			}
		}
	}
	if cited < 50 {
		t.Errorf("the documents cite only %d tests", cited)
	}
}

// withoutPromises are the headings of docs/guarantees.md whose tables contain figures,
// and not promises.
var withoutPromises = []string{"### Time to stop", "### Measured"}

// recipesWithPromises are the headings that must have a table of promises.
var recipesWithPromises = []string{
	"## What is promised", "## Locks", "## Election", "## Barriers", "## Configuration", "## Naming", "## Membership", "## Queue", "## Tasks", "## Registry",
	"## Round trips", "## Writes whose reply is lost",
}

// Each promise in docs/guarantees.md names at least one test that exists: the last
// column of every table of promises is "shown by", and no row leaves it empty.
func TestPromisesAreShown(t *testing.T) {
	inRoot(t)
	funcs := testFuncs(t)
	text, err := os.ReadFile("docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	promises := make(map[string]int) // by heading
	heading, previous := "", ""
	columns := 0
	for i, line := range strings.Split(string(text), "\n") {
		row := strings.HasPrefix(line, "|")
		begins := row && !strings.HasPrefix(previous, "|")
		previous = line
		if strings.HasPrefix(line, "#") {
			heading = line
		}
		if !row || slices.Contains(withoutPromises, heading) {
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		last := cells[len(cells)-1]
		switch {
		case begins:
			if columns = len(cells); last != "shown by" {
				t.Errorf("line %d: the table below %q has no column \"shown by\"", i+1, heading)
			}
			continue
		case strings.HasPrefix(line, "|---"):
			continue
		}
		promises[heading]++
		cited := citedTest.FindAllStringSubmatch(last, -1)
		if len(cells) != columns || len(cited) == 0 {
			t.Errorf("line %d: no test shows %.60s", i+1, line)
		}
		for _, m := range cited {
			if !exists(funcs, m) {
				t.Errorf("line %d: %s does not exist", i+1, m[0])
			}
		}
	}
	for _, h := range recipesWithPromises {
		if promises[h] == 0 {
			t.Errorf("there are no promises below %q", h)
		}
	}
}

// The diagrams of states in docs/architecture.md are those in comments of the code.
func TestDiagramsAreThoseOfTheCode(t *testing.T) {
	inRoot(t)
	text, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, states, ok := strings.Cut(string(text), "\n## States\n")
	if !ok {
		t.Fatal("there is no heading States")
	}
	file := regexp.MustCompile("(?m)^`([a-z/]+\\.go)`")
	n := 0
	for _, section := range strings.Split(states, "\n### ")[1:] {
		title, _, _ := strings.Cut(section, "\n")
		cited := file.FindStringSubmatch(section)
		parts := strings.Split(section, "\n```\n")
		if cited == nil || len(parts) != 3 {
			t.Errorf("%s has no file or not one diagram", title)
			continue
		}
		n++
		code, err := os.ReadFile(cited[1])
		if err != nil {
			t.Error(err)
			continue
		}
		var diagram strings.Builder
		for line := range strings.Lines(parts[1] + "\n") {
			if line == "\n" {
				diagram.WriteString("//\n")
			} else {
				diagram.WriteString("//\t" + line)
			}
		}
		if !strings.Contains(string(code), diagram.String()) {
			t.Errorf("%s has another diagram than %s", title, cited[1])
		}
	}
	if n < 5 {
		t.Errorf("there are only %d diagrams", n)
	}
}
