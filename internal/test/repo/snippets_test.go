package repo

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var codeBlock = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// snippet is a block of code in a document.
type snippet struct {
	language string
	code     []byte
	name     string // unique
}

// snippets returns the blocks of code of a document, in order.
func snippets(t *testing.T, doc string) (all []snippet) {
	t.Helper()
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range codeBlock.FindAllSubmatch(text, -1) {
		name := fmt.Sprintf("%s-%d", strings.NewReplacer("/", "-", ".", "-").Replace(doc), i)
		all = append(all, snippet{string(block[1]), block[2], name})
	}
	return all
}

// complete reports whether the snippet is a complete Go file.
func (s snippet) complete() bool { return strings.HasPrefix(string(s.code), "package ") }

func (s snippet) isTest() bool { return strings.Contains(string(s.code), "func Test") }

// goCommand runs the go command on snippets, each as a separate package. An overlay makes
// them packages of this module without writing into the module's folder.
func goCommand(t *testing.T, snippets []snippet, args ...string) {
	t.Helper()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	dir := t.TempDir()
	file := filepath.Join(dir, "overlay.json")
	args = append(args, "-overlay", file)
	for _, s := range snippets {
		code := filepath.Join(dir, s.name+".go")
		if err := os.WriteFile(code, s.code, 0o600); err != nil {
			t.Fatal(err)
		}
		base := "snippet.go"
		if s.isTest() {
			base = "snippet_test.go"
		}
		overlay.Replace[filepath.Join(wd, "snippets", s.name, base)] = code
		args = append(args, "./snippets/"+s.name)
	}
	spec, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, spec, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// build builds programs and returns the executables, in the same order.
func build(t *testing.T, programs ...snippet) (executables []string) {
	t.Helper()
	dir := t.TempDir()
	goCommand(t, programs, "build", "-o", dir)
	for _, p := range programs {
		executables = append(executables, filepath.Join(dir, p.name))
	}
	return executables
}

// Every block of Go code in the documents that is a complete file compiles. In the
// README and below docs/migrating every block must be a complete file.
//
// docs/migrating/etcd.md marks its program for etcd as golang instead of go, because
// etcd's client is not a dependency of this module.
func TestSnippetsCompile(t *testing.T) {
	inRoot(t)
	var all []snippet
	for _, doc := range documents(t) {
		for _, s := range snippets(t, doc) {
			if s.language == "go" && (path.Dir(doc) != "docs" || s.complete()) {
				all = append(all, s)
			}
		}
	}
	if len(all) == 0 {
		t.Fatal("no snippets")
	}
	goCommand(t, all, "list", "-export", "-test") // which compiles, and does not link
}

// documents returns README.md and the files below docs.
func documents(t *testing.T) []string {
	t.Helper()
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	below, err := filepath.Glob("docs/*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Concat([]string{"README.md"}, docs, below)
	for i := range all {
		all[i] = filepath.ToSlash(all[i])
	}
	return all
}
