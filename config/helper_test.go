package config_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// TestMain sees to it that no test leaves a goroutine behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && os.Getenv("ZKTEST") == "" { // the servers of an ensemble are looked after till the end
		if err := goleak.Find(); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

const path = "/app/limits"

type limits struct {
	Rate int    `json:"rate"`
	Name string `json:"name,omitempty"`
}

var errNegative = errors.New("negative rate")

// checked is what the tests store as a rule.
var checked = codec.Checked(codec.JSON[limits](), func(l limits) error {
	if l.Rate < 0 {
		return errNegative
	}
	return nil
})

func open(t testing.TB, s *session.Session, opts ...config.Option) *config.Value[limits] {
	t.Helper()
	v, err := config.Open(t.Context(), s, path, checked, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

func openOr(t testing.TB, s *session.Session, fallback limits) *config.Value[limits] {
	t.Helper()
	v, err := config.OpenOr(t.Context(), s, path, checked, fallback)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// write makes data the node's, whatever it was.
func write(t testing.TB, s *session.Session, path, data string) {
	t.Helper()
	_, err := s.Set(t.Context(), path, []byte(data), session.AnyVersion)
	if errors.Is(err, session.ErrNoNode) {
		_, _, err = s.Create(t.Context(), path, []byte(data), session.Parents())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, s *session.Session, path string) {
	t.Helper()
	if err := s.Delete(t.Context(), path, session.AnyVersion); err != nil {
		t.Fatal(err)
	}
}

// catchUp has the server of a session show what other sessions have written.
func catchUp(t testing.TB, s *session.Session) {
	t.Helper()
	if err := s.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
}

// follower is a Value or a Tree.
type follower interface {
	Changed() <-chan struct{}
	Err() error
}

// await waits until ok.
func await(t testing.TB, f follower, what string, ok func() bool) {
	t.Helper()
	timeout := time.NewTimer(time.Minute)
	defer timeout.Stop()
	for {
		changed := f.Changed()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("%s does not come about; Err is %v", what, f.Err())
		}
	}
}

// shows waits until the value is v, and is what is stored.
func shows(t testing.TB, value *config.Value[limits], v limits) {
	t.Helper()
	await(t, value, fmt.Sprint(v), func() bool { return value.Load() == v && value.Err() == nil })
}

// fails waits until the value is stale for this reason.
func fails(t testing.TB, value *config.Value[limits], reason error) {
	t.Helper()
	await(t, value, reason.Error(), func() bool { return errors.Is(value.Err(), reason) })
}

// noWatches checks that nothing is left on the server.
func noWatches(t testing.TB, target *zktest.Target, s *session.Session) {
	t.Helper()
	for range 2 { // the removal of the last watch is before the second: a read that was given up has it sent before the first is answered
		if err := s.Sync(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
	}
	if n := target.WatchesLeft(t); n != 0 {
		t.Errorf("%d watches are left", n)
	}
}

// wantOp checks that an error says what was attempted and where.
func wantOp(t testing.TB, err, target error, path string) {
	t.Helper()
	var oe *session.OpError
	if !errors.Is(err, target) || !errors.As(err, &oe) || oe.Path != path {
		t.Errorf("the error is %v, want %v at %s", err, target, path)
	}
}

// wantDecode checks that an error says what could not be decoded and why.
func wantDecode(t testing.TB, err, reason error, path string) {
	t.Helper()
	var de *config.DecodeError
	if !errors.Is(err, reason) || !errors.As(err, &de) || de.Path != path || de.Zxid == 0 || !strings.Contains(err.Error(), path) {
		t.Errorf("the error is %v, want a DecodeError at %s for %v", err, path, reason)
	}
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
