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

// A fileContent is the content of a file of WithFile.
type fileContent struct {
	Zxid        int64
	NextSession int64
	Secret      uint64
	Running     bool `json:",omitempty"` // the server was running when it was written
	Sessions    []savedSession
	Nodes       []ztree.SavedNode
}

type savedSession struct {
	ID      int64
	Timeout time.Duration
}

func (s *Server) fileContent() *fileContent {
	content := &fileContent{Zxid: s.zxid, NextSession: s.nextSession, Secret: s.secret, Nodes: s.tree.Save()}
	for _, id := range slices.Sorted(maps.Keys(s.sessions)) {
		content.Sessions = append(content.Sessions, savedSession{id, s.sessions[id].timeout})
	}
	return content
}

// load reads the nodes and sessions from a file, if it exists.
func (s *Server) load(file string) error {
	// Fail now, not at the end, if the file cannot be written.
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
	var content fileContent
	if err := json.Unmarshal(b, &content); err != nil {
		return fmt.Errorf("zktest: %s is not the file of a server: %w", file, err)
	}
	for _, saved := range content.Nodes {
		if err := s.tree.Restore(saved); err != nil {
			return fmt.Errorf("zktest: %s: %w", file, err)
		}
	}
	s.zxid = content.Zxid
	s.nextSession, s.secret = max(s.nextSession, content.NextSession), content.Secret
	if content.Running {
		s.zxid = (s.zxid>>32 + 1) << 32
	}
	for _, saved := range content.Sessions {
		ss := &session{id: saved.ID, passwd: s.passwordOf(saved.ID), timeout: saved.Timeout}
		s.sessions[ss.id] = ss
		s.expiry.touch(ss, ss.timeout)
	}
	s.scheduleReap()
	return nil
}

// saveInterval is the maximal age of the file of a busy server.
const saveInterval = time.Second

// saveLoop writes the file every saveInterval.
func (s *Server) saveLoop() {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.save(true) // Close tries again and reports the error
		case <-s.ctx.Done():
			return
		}
	}
}

// save writes the file if there have been transactions since the last time, or if it
// says that the server is running and running is false. The file is replaced atomically.
//
// Start saves before the server answers anything: if the server is killed, the next one
// must know that it ran, and continue above its zxids.
func (s *Server) save(running bool) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	if s.zxid == s.savedZxid && (running || !s.savedRunning) {
		s.mu.Unlock()
		return nil
	}
	content := s.fileContent()
	s.mu.Unlock()
	content.Running = running
	b, err := json.Marshal(content)
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
	s.savedZxid, s.savedRunning = content.Zxid, running
	s.mu.Unlock()
	return nil
}
