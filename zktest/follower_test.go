package zktest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	client "github.com/zkrecipes/zkrecipes/session"
)

const testLag = 3 * time.Second

// soon returns a context that bounds a test in virtual time.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	t.Cleanup(cancel)
	return ctx
}

func lasts(t *testing.T, want time.Duration, do func() error) {
	t.Helper()
	began := time.Now()
	if err := do(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took != want {
		t.Errorf("took %v, not %v", took, want)
	}
}

func TestFollowerReadsOlderStateUntilSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(t)
		f := s.Follower(0)
		ahead, behind := s.Session(t), f.Session(t)
		f.SetLag(testLag)
		write := func(path string) {
			t.Helper()
			lasts(t, 0, func() error { _, _, err := ahead.Create(soon(t), path, nil); return err })
		}
		exists := func(path string) bool {
			t.Helper()
			_, ok, err := behind.Exists(soon(t), path)
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		write("/a")
		if exists("/a") {
			t.Error("the follower has applied the write already")
		}
		time.Sleep(testLag - 1)
		if exists("/a") {
			t.Error("the follower has applied the write too early")
		}
		time.Sleep(2 * time.Nanosecond)
		if !exists("/a") {
			t.Error("the follower has not applied the write")
		}
		write("/b")
		time.Sleep(time.Second)
		lasts(t, testLag-time.Second, func() error { return behind.Sync(soon(t), "/") })
		if !exists("/b") {
			t.Error("the write is not seen after a sync")
		}
		write("/c")
		f.SetLag(0)
		synctest.Wait()
		if !exists("/c") {
			t.Error("the write is not seen after the lag")
		}
	})
}

func TestFollowerAnswersWritesWhenItHasAppliedThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(t)
		f := s.Follower(testLag)
		var behind *client.Session
		lasts(t, testLag, func() error { behind = f.Session(t, client.WithTimeout(time.Minute)); return nil })
		lasts(t, testLag, func() error { _, _, err := behind.Create(soon(t), "/a", nil); return err })
		lasts(t, 0, func() error { _, _, err := behind.Get(soon(t), "/a"); return err })
		lasts(t, testLag, func() error {
			if _, err := behind.Set(soon(t), "/a", nil, 7); !errors.Is(err, client.ErrBadVersion) {
				return fmt.Errorf("set of another version: %w", err)
			}
			return nil
		})
	})
}

// A read behind a write on the same connection waits for the write, and sees it. The
// leader has applied the write at once.
func TestFollowerKeepsTheOrderOfAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(t)
		f := s.Follower(0)
		behind := f.Session(t, client.WithTimeout(time.Minute))
		f.SetLag(testLag)
		go behind.Create(soon(t), "/a", nil)
		synctest.Wait()
		if tree := s.Tree(); tree != "/a v0 \"\"\n" {
			t.Errorf("the leader has %q", tree)
		}
		lasts(t, testLag, func() error { _, _, err := behind.Get(soon(t), "/a"); return err })
	})
}

func TestFollowerTurnsAwayClientsThatHaveSeenMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(t)
		f := s.Follower(0)
		synctest.Wait()
		f.SetLag(testLag)
		r := &wire.ConnectRequest{Timeout: 10000, LastZxidSeen: 1}
		connect := func() error {
			nc, err := f.DialContext(soon(t), "tcp", f.Name())
			if err != nil {
				return err
			}
			defer nc.Close()
			if _, err := nc.Write(wire.Frame(r)); err != nil {
				return err
			}
			_, err = nc.Read(make([]byte, 1))
			return err
		}
		_ = s.Session(t)
		if err := connect(); err == nil {
			t.Error("accepted a client that has seen a later transaction")
		}
		time.Sleep(testLag)
		synctest.Wait()
		if err := connect(); err != nil {
			t.Error(err)
		}
	})
}

func TestFollowerComesBackWithItsLeader(t *testing.T) {
	s := New(t)
	f := s.Follower(0)
	addr := f.Addr()
	s.Stop()
	if c, err := dialRaw(t.Context(), addr, time.Minute); err == nil {
		c.closeConn()
		t.Fatal("a stopped follower accepts connections")
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	c, err := dialRaw(t.Context(), addr, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	c.closeConn()
	if err := s.RestartEmpty(); err != nil {
		t.Fatal(err)
	}
	if c, err = dialRaw(t.Context(), addr, time.Minute); err != nil {
		t.Fatal(err)
	}
	c.closeConn()
}

// A client that is cut off cannot open a new session; other clients are not cut off.
func TestClientIsCutOffWhateverItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(t)
		place := s.Client()
		heal := place.Partition()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := client.Connect(ctx, "zktest:2181", client.WithDialer(place.DialContext)); err == nil {
			t.Error("a client that is cut off got a session")
		}
		_ = s.Session(t)
		heal()
		_ = place.Session(t)
	})
}
