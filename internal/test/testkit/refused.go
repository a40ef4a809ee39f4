package testkit

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// ForbidDelete takes away the right to delete the children of a node. The function that
// it returns restores the right.
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

// LongestRefusal is longer than the longest pause between two attempts to delete a node
// whose deletion is refused.
const LongestRefusal = 61 * time.Second

// ReleaseRefused releases ownership whose node is a child of folder and may not be
// deleted. It checks that release returns the refusal, and that the node is deleted once
// that is allowed. It needs virtual time.
func ReleaseRefused(t testing.TB, other *session.Session, folder string, release func(context.Context) error) {
	t.Helper()
	allow := ForbidDelete(t, other, folder)
	if err := release(t.Context()); !errors.Is(err, session.ErrNoAuth) {
		t.Errorf("the release returned %v", err)
	}
	time.Sleep(10 * time.Minute)
	if names := Children(t, other, folder); len(names) == 0 {
		t.Error("the node was deleted although that is forbidden")
	}
	allow()
	time.Sleep(LongestRefusal)
	if names := Children(t, other, folder); len(names) > 0 {
		t.Errorf("%q are left", names)
	}
}
