package presence_test

import (
	"context"
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/recipe/presence"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const path = "/app/present"

func announce(t testing.TB, s *session.Session, n presence.Node) *presence.Announcement {
	t.Helper()
	if n.Path == "" {
		n.Path = path
	}
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Limit)
	defer cancel()
	p, err := presence.Announce(ctx, s, n)
	if err != nil {
		t.Error(err)
		panic(err) // also in goroutines, which must not call FailNow
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

// wants checks the node's data and owner as another session reads them.
func wants(t testing.TB, observer, owner *session.Session, data string) session.Stat {
	t.Helper()
	if err := observer.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	got, st, err := observer.Get(t.Context(), path)
	if err != nil || string(got) != data || st.EphemeralOwner != owner.Status().ID {
		t.Errorf("the node holds %q and is owned by 0x%x, want %q and 0x%x (%v)", got, st.EphemeralOwner, data, owner.Status().ID, err)
	}
	return st
}

func wantsAbsence(t testing.TB, observer *session.Session) {
	t.Helper()
	if err := observer.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	if st, exists, err := observer.Exists(t.Context(), path); exists || err != nil {
		t.Errorf("the node exists: %+v (%v)", st, err)
	}
}
