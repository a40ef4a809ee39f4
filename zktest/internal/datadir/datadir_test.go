package datadir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An ensemble accepts an empty folder or one that it has used before. It does not
// touch any other folder.
func TestFolderOfOthersIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own")
	for range 2 {
		d, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "1"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(other); err == nil || !strings.Contains(err.Error(), "neither empty nor") || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("error is %v", err)
	}
	if entries, err := os.ReadDir(other); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}
