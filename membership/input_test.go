package membership_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on whatever ZKTEST selects.

// The nodes are those of Curator's GroupMember, and of Kazoo's Party and
// ShallowParty.
func TestNodes(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for _, c := range []struct {
		layout         membership.Layout
		data           string
		name, contents string
	}{
		{membership.Curator, "x", `host-1`, "x"},
		{membership.Curator, "", `host-1`, ""},
		{membership.KazooParty, "", `[0-9a-f]{32}__party__`, "host-1"},
		{membership.KazooShallowParty, "", `[0-9a-f]{32}-host-1`, "host-1"},
		{membership.KazooShallowParty, "x", `[0-9a-f]{32}-host-1`, "x"},
	} {
		m := join(t, group(s, membership.WithLayout(c.layout)), "host-1", c.data)
		data, st, err := s.Get(t.Context(), m.Path())
		if err != nil || string(data) != c.contents || !st.Ephemeral() {
			t.Errorf("%s holds %q (%v)", m.Path(), data, err)
		}
		if !regexp.MustCompile(`^` + path + `/` + c.name + `$`).MatchString(m.Path()) {
			t.Errorf("the node is called %s", m.Path())
		}
		leave(t, m)
	}
}

// What is no member's node does no harm and is not shown.
func TestForeignChildren(t *testing.T) {
	hex := strings.Repeat("0", 32)
	for name, c := range map[string]struct {
		layout  membership.Layout
		foreign []string // ephemeral nodes that are nobody's
		member  string   // a node that a member owns, of this or another library
		id      string
	}{
		"curator": {membership.Curator, nil, "other-1", "other-1"},
		"party":   {membership.KazooParty, []string{"x", hex, hex + "-x", hex + "__lock__0000000000"}, hex + "__party__", "data"},
		"shallow party": {membership.KazooShallowParty, []string{"x", hex, hex + "__party__", "-x", "other-1", strings.ToUpper(strings.Replace(hex, "0", "a", 1)) + "-x"},
			hex + "-other-1", "other-1"},
	} {
		t.Run(name, func(t *testing.T) {
			target := zktest.Open(t)
			s := target.Session(t)
			for _, name := range []string{"persistent", hex + "__party__1", hex[1:] + "1-id"} {
				if _, _, err := s.Create(t.Context(), path+"/"+name, []byte("data"), session.Parents()); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := s.Create(t.Context(), path+"/"+hex[1:]+"2-id", nil, session.Container()); err != nil {
				t.Fatal(err)
			}
			for _, name := range c.foreign {
				if _, _, err := s.Create(t.Context(), path+"/"+name, []byte("data"), session.Ephemeral()); err != nil {
					t.Fatal(err)
				}
			}
			g := group(s, membership.WithLayout(c.layout))
			w := watch(t, g)
			w.until("")
			m := join(t, g, "me", "")
			if v := w.next(); len(v.Members) != 1 || v.Members[0].ID != "me" {
				t.Errorf("there are %v", v)
			}
			if _, _, err := s.Create(t.Context(), path+"/"+c.member, []byte("data"), session.Ephemeral()); err != nil {
				t.Fatal(err)
			}
			for _, v := range []membership.Snapshot{w.next(), members(t, g, s)} {
				if _, ok := v.Find(c.id); !ok || len(v.Members) != 2 {
					t.Errorf("there are %v", v)
				}
			}
			w.stop()
			leave(t, m)
		})
	}
}

func TestBadInput(t *testing.T) {
	s := zktest.Open(t).Session(t)
	big := make([]byte, 1<<20)
	wants := func(what string, err, want error) {
		t.Helper()
		var oe *session.OpError
		if !errors.Is(err, want) || !errors.As(err, &oe) {
			t.Errorf("%s: %v", what, err)
		}
	}
	eachLayout(t, func(t *testing.T, l membership.Layout) {
		g := group(s, membership.WithLayout(l))
		for _, id := range []string{"", "/", "a/b", "/a", ".", "..", "\x00", "\xff", "\ufff0"} {
			_, err := g.Join(t.Context(), id, nil)
			wants(fmt.Sprintf("Join as %q", id), err, membership.ErrInvalidID)
		}
		for _, p := range []string{"", "a", "/a/", "/a//b", "/a/../b", "/a/\x00"} {
			g := membership.New(s, p, membership.WithLayout(l))
			_, err := g.Join(t.Context(), "a", nil)
			wants("Join at "+p, err, session.ErrInvalid)
			_, err = g.Members(t.Context())
			wants("Members of "+p, err, session.ErrInvalid)
			for _, err = range g.Watch(t.Context()) {
			}
			wants("Watch of "+p, err, session.ErrInvalid)
		}
		_, err := g.Join(t.Context(), "a", big)
		wants("Join with 1 MB", err, session.ErrInvalid)
		_, err = g.Join(t.Context(), string(make([]byte, 1<<20)), nil)
		wants("Join with an id of 1 MB", err, membership.ErrInvalidID)
		_, err = g.Join(t.Context(), strings.Repeat("x", 1<<20), nil)
		wants("Join with another id of 1 MB", err, session.ErrInvalid)
		m := join(t, g, "a", "")
		wants("Update with 1 MB", m.Update(t.Context(), big), session.ErrInvalid)
		if err := m.Err(); err != nil {
			t.Errorf("it is a member no more: %v", err)
		}
		leave(t, m)
	})
	party := group(s, membership.WithLayout(membership.KazooParty))
	_, err := party.Join(t.Context(), "a", []byte("x"))
	wants("Join a party with data", err, session.ErrInvalid)
	m := join(t, party, "a", "")
	wants("Update at a party", m.Update(t.Context(), []byte("x")), session.ErrInvalid)
	leave(t, m)

	unknown := group(s, membership.WithLayout(99))
	_, err = unknown.Join(t.Context(), "a", nil)
	wants("Join in an unknown layout", err, session.ErrInvalid)
	_, err = unknown.Members(t.Context())
	wants("Members in an unknown layout", err, session.ErrInvalid)
	for _, err = range unknown.Watch(t.Context()) {
	}
	wants("Watch in an unknown layout", err, session.ErrInvalid)
}

func TestNoAuth(t *testing.T) {
	s := zktest.Open(t).Session(t)
	acl := func(p session.Perm) session.CreateOption {
		return session.ACLs(session.ACL{Perms: p, Scheme: "world", ID: "anyone"})
	}
	if _, _, err := s.Create(t.Context(), "/locked", nil, acl(session.PermRead)); err != nil {
		t.Fatal(err)
	}
	if _, err := membership.New(s, "/locked").Join(context.Background(), "a", nil); !errors.Is(err, session.ErrNoAuth) {
		t.Errorf("Join where nothing may be created: %v", err)
	}
	if _, _, err := s.Create(t.Context(), "/hidden", nil, acl(session.PermCreate)); err != nil {
		t.Fatal(err)
	}
	hidden := membership.New(s, "/hidden")
	if _, err := hidden.Members(context.Background()); !errors.Is(err, session.ErrNoAuth) {
		t.Errorf("Members where nothing may be read: %v", err)
	}
	var err error
	for _, err = range hidden.Watch(context.Background()) {
	}
	if !errors.Is(err, session.ErrNoAuth) {
		t.Errorf("Watch where nothing may be read: %v", err)
	}
	if err := s.Delete(t.Context(), "/hidden", session.AnyVersion); err != nil {
		t.Fatal(err)
	}

	// A member that may not be read is not seen, and does not hide the others.
	if _, _, err := s.Create(t.Context(), path+"/secret", nil, session.Ephemeral(), session.Parents(), acl(session.PermWrite)); err != nil {
		t.Fatal(err)
	}
	m := join(t, group(s), "open", "")
	if got := summary(members(t, group(s), s)); got != "open=" {
		t.Errorf("members: %s", got)
	}
	w := watch(t, group(s))
	w.until("open=")
	leave(t, m)
	w.until("")
	w.stop()
}
