package repo

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// inRoot changes to the module's root folder for the rest of the test.
//
// It also reads every folder there. The go command reuses the result of a test until
// a file or folder that the test itself has opened changes, and does not know which
// files the programs read that the test starts.
func inRoot(t *testing.T) {
	t.Helper()
	t.Chdir(filepath.Join("..", "..", ".."))
	if _, err := os.Stat("go.mod"); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if path == ".git" && d.IsDir() {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
