package faulttable

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// ForbidDelete takes away the right to delete the children of a node, and returns
// what gives it back.
func ForbidDelete(t testing.TB, s *session.Session, path string) (allow func()) {
	t.Helper()
	set := func(perms session.Perm) {
		t.Helper()
		acl := []session.ACL{{Perms: perms, Scheme: "world", ID: "anyone"}}
		if _, err := s.SetACL(t.Context(), path, acl, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
	}
	set(session.PermAll &^ session.PermDelete)
	return func() { t.Helper(); set(session.PermAll) }
}

// LongestRefusal is longer than the longest pause between two attempts to remove
// a node that may not be removed.
const LongestRefusal = 61 * time.Second

// ReleaseRefused releases what is owned by a child of folder, which may not be
// deleted. The release must return the refusal, and the node must go once it may
// be deleted again. It needs virtual time.
func ReleaseRefused(t testing.TB, other *session.Session, folder string, release func(context.Context) error) {
	t.Helper()
	allow := ForbidDelete(t, other, folder)
	if err := release(t.Context()); !errors.Is(err, session.ErrNoAuth) {
		t.Errorf("the release returned %v", err)
	}
	time.Sleep(10 * time.Minute)
	if names := children(t, other, folder); len(names) == 0 {
		t.Error("the node has gone although nobody may delete it")
	}
	allow()
	time.Sleep(LongestRefusal)
	if names := children(t, other, folder); len(names) > 0 {
		t.Errorf("%q are left", names)
	}
}

func children(t testing.TB, s *session.Session, path string) []string {
	t.Helper()
	names, _, err := s.Children(t.Context(), path)
	if err != nil && !errors.Is(err, session.ErrNoNode) {
		t.Fatal(err)
	}
	return names
}
