package zktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// A snapshot is what a server keeps in its file: nodes, and the sessions that
// own some of them.
type snapshot struct {
	Zxid        int64
	NextSession int64
	Secret      uint64
	Running     bool `json:",omitempty"` // the server went on after it was written
	Sessions    []savedSession
	Nodes       []ztree.SavedNode
}

type savedSession struct {
	ID      int64
	Timeout time.Duration
}

func (s *Server) snapshot() *snapshot {
	snap := &snapshot{Zxid: s.zxid, NextSession: s.nextSession, Secret: s.secret, Nodes: s.tree.Save()}
	for _, id := range slices.Sorted(maps.Keys(s.sessions)) {
		snap.Sessions = append(snap.Sessions, savedSession{id, s.sessions[id].timeout})
	}
	return snap
}

// load takes over a file that a server has left. There need not be one.
func (s *Server) load(file string) error {
	// That it cannot be written is better known now than at the end.
	probe, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("zktest: %w", err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return fmt.Errorf("zktest: %w", err)
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("zktest: %w", err)
	}
	var snap snapshot
	if err := json.Unmarshal(b, &snap); err != nil {
		return fmt.Errorf("zktest: %s is no snapshot of a server: %w", file, err)
	}
	for _, saved := range snap.Nodes {
		if err := s.tree.Restore(saved); err != nil {
			return fmt.Errorf("zktest: %s: %w", file, err)
		}
	}
	s.zxid = snap.Zxid
	s.nextSession, s.secret = max(s.nextSession, snap.NextSession), snap.Secret
	if snap.Running {
		s.zxid = (s.zxid>>32 + 1) << 32
	}
	for _, saved := range snap.Sessions {
		ss := &session{id: saved.ID, passwd: s.passwordOf(saved.ID), timeout: saved.Timeout}
		s.sessions[ss.id] = ss
		s.expiry.touch(ss, ss.timeout)
	}
	s.scheduleReap()
	return nil
}

// saveInterval is how old a server's file gets while the server is busy.
const saveInterval = time.Second

// saveLoop writes the server's file from time to time.
func (s *Server) saveLoop() {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.save(true) // Close tries once more and tells
		case <-s.closed:
			return
		}
	}
}

// save writes the file if there have been transactions since the last time, or if
// the file says running and the server is not. The file is replaced as a whole, so
// that there always is one to be read. Start saves before the server answers anything:
// after a kill the next server must see that this one ran, and go on above its zxids.
func (s *Server) save(running bool) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	if s.zxid == s.savedZxid && (running || !s.savedRunning) {
		s.mu.Unlock()
		return nil
	}
	snap := s.snapshot()
	s.mu.Unlock()
	snap.Running = running
	b, err := json.Marshal(snap)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(s.opts.file), filepath.Base(s.opts.file)+".*")
	if err != nil {
		return err
	}
	_, err = temp.Write(append(b, '\n'))
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), s.opts.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	s.mu.Lock()
	s.savedZxid, s.savedRunning = snap.Zxid, running
	s.mu.Unlock()
	return nil
}
