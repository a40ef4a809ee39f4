package cas_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A node of version -1 is refused, since a write that expects this version would be
// unconditional.
func TestVersionMinusOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nodes")
	srv := zktest.New(t, zktest.WithFile(file))
	s := srv.Session(t)
	for range 8 {
		if err := increment(t, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv.Close()
	saved, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	was := []byte(`"Version":7,`)
	if n := bytes.Count(saved, was); n != 1 {
		t.Fatalf("%d nodes have version 7 in %s", n, saved)
	}
	if err := os.WriteFile(file, bytes.Replace(saved, was, []byte(`"Version":-1,`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	s = zktest.New(t, zktest.WithFile(file)).Session(t)
	testkit.WantError(t, increment(t, s), session.ErrInvalid)
	wantCount(t, s, "8")
}
