package barrier_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestBadInput(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for _, p := range []string{"", "app", "/app/", "/app//b", "/a\x00b", "/app/../b"} {
		_, err := barrier.NewDouble(s, p, 2).Enter(t.Context())
		b := barrier.New(s, p)
		_, raisedErr := b.Raised(t.Context())
		for what, err := range map[string]error{
			"Enter": err, "Raise": b.Raise(t.Context()), "Lower": b.Lower(t.Context()), "Wait": b.Wait(t.Context()), "Raised": raisedErr,
		} {
			var oe *session.OpError
			if !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) {
				t.Errorf("%s at %q: %v", what, p, err)
			}
		}
	}
	var oe *session.OpError
	if _, err := barrier.NewDouble(s, path, 2, barrier.WithLayout(9)).Enter(t.Context()); !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) {
		t.Errorf("Enter with an unknown layout: %v", err)
	}
	for n, want := range map[int]error{0: session.ErrInvalid, -1: session.ErrInvalid, 5000: context.DeadlineExceeded, 1 << 15: session.ErrInvalid} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := barrier.NewDouble(s, path, n).Enter(ctx); !errors.Is(err, want) {
			t.Errorf("Enter of %d: %v", n, err)
		}
	}
}

// What waiting does not mend reaches the caller at once.
func TestNotAuthorized(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	acl := session.ACLs(session.ACL{Perms: session.PermRead | session.PermCreate | session.PermDelete, Scheme: "world", ID: "anyone"})
	if _, _, err := s.Create(t.Context(), "/app", nil); err != nil {
		t.Fatal(err)
	}
	// Members may come, but nobody may write down who is in the round.
	if _, _, err := s.Create(t.Context(), path, nil, acl); err != nil {
		t.Fatal(err)
	}
	d := barrier.NewDouble(s, path, 2)
	ctx, cancel := context.WithCancel(t.Context())
	c := entering(ctx, d)
	testkit.AwaitChildren(t, s, path, 1)
	if _, err := d.Enter(t.Context()); !errors.Is(err, session.ErrNoAuth) || errors.Is(err, session.ErrUnknown) {
		t.Errorf("Enter: %v", err)
	}
	cancel()
	testkit.Receive(t, c)
	nothingLeft(t, target, s)
	// Nobody may even come.
	acl = session.ACLs(session.ACL{Perms: session.PermRead, Scheme: "world", ID: "anyone"})
	if _, _, err := s.Create(t.Context(), "/app/closed", nil, acl); err != nil {
		t.Fatal(err)
	}
	if _, err := barrier.NewDouble(s, "/app/closed", 2).Enter(t.Context()); !errors.Is(err, session.ErrNoAuth) {
		t.Errorf("Enter: %v", err)
	}
	if err := barrier.New(s, "/app/closed/barrier").Raise(t.Context()); !errors.Is(err, session.ErrNoAuth) {
		t.Errorf("Raise: %v", err)
	}
	nothingLeft(t, target, s)
}
