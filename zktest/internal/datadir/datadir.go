// Package datadir manages the folders in which ensembles keep their data. A folder is
// locked while its process lives.
package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const tempPrefix = "zktest-ensemble-"

// A Dir is the folder of an ensemble, locked by this process.
//
// Close removes a temporary folder. If the process dies before that, the next process
// that calls Temp removes it.
type Dir struct {
	path   string
	lock   *os.File
	chosen bool // by the caller; it is not temporary
}

// Path returns the folder's path.
func (d *Dir) Path() string { return d.path }

// MarkName is the name of a file that marks a chosen folder as an ensemble's.
const MarkName = "zktest-ensemble"

// Open creates a folder unless it exists, and locks it. It returns an error if another
// process has locked the folder, or if the folder is neither empty nor an ensemble's.
func Open(path string) (*Dir, error) {
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
	if err := mark(path); err != nil {
		f.Close()
		return nil, err
	}
	return &Dir{path: path, lock: f, chosen: true}, nil
}

func mark(path string) error {
	name := filepath.Join(path, MarkName)
	if exists(name) {
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("zktest: %s is neither empty nor the folder of an ensemble (it has %s and no file %s): choose another", path, entries[0].Name(), MarkName)
	}
	return os.WriteFile(name, []byte("This folder belongs to an ensemble of zktest or zkr.\n"), 0o644)
}

// Temp creates and locks a temporary folder. It removes the temporary folders of
// processes that have died.
func Temp() (*Dir, error) {
	removeUnlocked()
	for {
		path, err := os.MkdirTemp("", tempPrefix)
		if err != nil {
			return nil, err
		}
		f, err := os.Open(path)
		if os.IsNotExist(err) {
			continue // another process has removed it before it could be locked
		}
		if err != nil {
			return nil, err
		}
		if tryLock(f); exists(path) {
			return &Dir{path: path, lock: f}, nil
		}
		f.Close()
	}
}

// Close unlocks the folder, and removes it if it is temporary.
func (d *Dir) Close() error {
	var err error
	if !d.chosen {
		err = os.RemoveAll(d.path)
	}
	return errors.Join(err, d.lock.Close())
}

// removeUnlocked removes the temporary folders that no process has locked.
func removeUnlocked() {
	paths, _ := filepath.Glob(filepath.Join(os.TempDir(), tempPrefix+"*"))
	for _, path := range paths {
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

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
