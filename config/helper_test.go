package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
)

func TestMain(m *testing.M) { testkit.Main(m) }

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

// follower is a Value or a Tree.
type follower interface {
	Changed() <-chan struct{}
	Err() error
}

// shows waits until the value is v, and is what is stored.
func shows(t testing.TB, value *config.Value[limits], v limits) {
	t.Helper()
	testkit.Await(t, value, fmt.Sprint(v), func() bool { return value.Load() == v && value.Err() == nil })
}

// fails waits until the value is stale for this reason.
func fails(t testing.TB, value *config.Value[limits], reason error) {
	t.Helper()
	testkit.Await(t, value, reason.Error(), func() bool { return errors.Is(value.Err(), reason) })
}

// wantDecode checks that an error says what could not be decoded and why.
func wantDecode(t testing.TB, err, reason error, path string) {
	t.Helper()
	var de *config.DecodeError
	if !errors.Is(err, reason) || !errors.As(err, &de) || de.Path != path || de.Zxid == 0 || !strings.Contains(err.Error(), path) {
		t.Errorf("the error is %v, want a DecodeError at %s for %v", err, path, reason)
	}
}

// second returns the second of two results.
func second[T any](_ T, err error) error { return err }
