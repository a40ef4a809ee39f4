package repo

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// Every block of Go code in the documents that is a complete file compiles. In the
// README every block must be a complete file.
func TestSnippetsCompile(t *testing.T) {
	inRoot(t)
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	// An overlay makes each block a separate package of this module without writing
	// into the module's folder.
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	dir := t.TempDir()
	var packages []string
	for _, doc := range append(docs, "README.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range goBlock.FindAllSubmatch(text, -1) {
			if doc != "README.md" && !strings.HasPrefix(string(block[1]), "package ") {
				continue
			}
			name := fmt.Sprintf("%s-%d", strings.NewReplacer("/", "-", ".", "-").Replace(doc), i)
			file := filepath.Join(dir, name+".go")
			if err := os.WriteFile(file, block[1], 0o600); err != nil {
				t.Fatal(err)
			}
			base := "snippet.go"
			if strings.Contains(string(block[1]), "func Test") {
				base, name = "snippet_test.go", name+"-test"
			}
			overlay.Replace[filepath.Join(wd, "snippets", name, base)] = file
			packages = append(packages, "./snippets/"+name)
		}
	}
	if len(packages) == 0 {
		t.Fatal("no snippets")
	}
	spec, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, spec, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		args := []string{"build", "-overlay", file, "-o", filepath.Join(dir, "out"), p}
		if strings.HasSuffix(p, "-test") {
			args = append([]string{"test", "-c", "-vet=off"}, args[1:]...)
		}
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}
