package presence_test

import (
	"context"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/presence"
	"github.com/zkrecipes/zkrecipes/session"
)

const path = "/app/present"

// patience bounds what a test waits for.
const patience = 5 * time.Minute

func announce(t testing.TB, s *session.Session, n presence.Node) *presence.Announcement {
	t.Helper()
	if n.Path == "" {
		n.Path = path
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := presence.Announce(ctx, s, n)
	if err != nil {
		t.Error(err)
		panic(err) // also of goroutines, which must not call FailNow
	}
	return p
}

func update(t testing.TB, p *presence.Announcement, data string) {
	t.Helper()
	if err := p.Update(t.Context(), []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func withdraw(t testing.TB, p *presence.Announcement) {
	t.Helper()
	if err := p.Withdraw(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// until waits until p is in the state that ok describes.
func until(t testing.TB, p *presence.Announcement, ok func(error) bool) {
	t.Helper()
	for {
		changed := p.Changed()
		if ok(p.Err()) {
			return
		}
		select {
		case <-changed:
		case <-time.After(patience):
			t.Fatalf("it stays at %v", p.Err())
		}
	}
}

func isNil(err error) bool { return err == nil }

// wants checks what holds of the node as somebody else sees it.
func wants(t testing.TB, observer, owner *session.Session, data string) session.Stat {
	t.Helper()
	if err := observer.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	got, st, err := observer.Get(t.Context(), path)
	if err != nil || string(got) != data || st.EphemeralOwner != owner.Status().ID {
		t.Errorf("the node holds %q and is 0x%x's, not %q and 0x%x's (%v)", got, st.EphemeralOwner, data, owner.Status().ID, err)
	}
	return st
}

func wantsAbsence(t testing.TB, observer *session.Session) {
	t.Helper()
	if err := observer.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	if st, exists, err := observer.Exists(t.Context(), path); exists || err != nil {
		t.Errorf("the node is there: %+v (%v)", st, err)
	}
}
