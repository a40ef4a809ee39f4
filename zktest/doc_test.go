package zktest_test

import (
	"os"
	"strings"
	"testing"
)

// The tables of the documentation list every operation.
func TestDocumentationNamesEveryOperation(t *testing.T) {
	for _, file := range []string{"doc.go", "../docs/zktest.md"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for name := range opsByName {
			if strings.HasPrefix(name, "op(") || file == "doc.go" && (name == "notification" || name == "error") {
				continue
			}
			if !strings.Contains(strings.ReplaceAll(string(b), "getChildren(2)", "getChildren getChildren2"), name) {
				t.Errorf("%s: nothing about %s", file, name)
			}
		}
	}
}
