package zktest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const dirPrefix = "zktest-ensemble-"

// A dir is the folder of an ensemble. It is locked as long as its process lives. A
// temporary one is removed by the next process to look, if its own dies without
// doing so.
type dir struct {
	path   string
	lock   *os.File
	chosen bool // by the caller
}

// dirMark is a file in a folder that was chosen for an ensemble. It tells the folder
// from those of others.
const dirMark = "zktest-ensemble"

// chosenDir makes a folder unless it exists, and takes it for this process. A folder
// that is neither empty nor an ensemble's is refused.
func chosenDir(path string) (*dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if !tryLock(f) && canLock {
		f.Close()
		return nil, fmt.Errorf("zktest: other servers use %s", path)
	}
	if err := markDir(path); err != nil {
		f.Close()
		return nil, err
	}
	return &dir{path: path, lock: f, chosen: true}, nil
}

func markDir(path string) error {
	mark := filepath.Join(path, dirMark)
	if exists(mark) {
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("zktest: %s is neither empty nor the folder of an ensemble (it has %s and no file %s): choose another", path, entries[0].Name(), dirMark)
	}
	return os.WriteFile(mark, []byte("This folder belongs to an ensemble of zktest or zkr.\n"), 0o644)
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
			return &dir{path: path, lock: f}, nil
		}
		f.Close()
	}
}

// close gives the folder up. A temporary one goes with all that is in it.
func (d *dir) close() error {
	var err error
	if !d.chosen {
		err = os.RemoveAll(d.path)
	}
	return errors.Join(err, d.lock.Close())
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
