package zktest

import (
	"os"
	"path/filepath"
)

const dirPrefix = "zktest-ensemble-"

// A dir is a temporary folder that is removed by the next process to look, if
// its own dies without doing so: it is locked as long as its process lives.
type dir struct {
	path string
	lock *os.File
}

// newDir makes a temporary folder, and removes those of dead processes.
func newDir() (*dir, error) {
	sweepDirs()
	for {
		path, err := os.MkdirTemp("", dirPrefix)
		if err != nil {
			return nil, err
		}
		f, err := os.Open(path)
		if os.IsNotExist(err) {
			continue // swept by another process before it could be locked
		}
		if err != nil {
			return nil, err
		}
		if tryLock(f); exists(path) {
			return &dir{path, f}, nil
		}
		f.Close()
	}
}

// remove removes the folder with all that is in it.
func (d *dir) remove() error {
	defer d.lock.Close()
	return os.RemoveAll(d.path)
}

func sweepDirs() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, path := range left {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if tryLock(f) {
			os.RemoveAll(path)
		}
		f.Close()
	}
}
