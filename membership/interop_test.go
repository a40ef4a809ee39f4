//go:build interop

package membership_test

import (
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/test/foreign"
	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/session"
)

// Members of this package and of Curator's GroupMember see each other join, change,
// leave and die.
func TestCuratorGroupMember(t *testing.T) {
	program := foreign.Compile(t, "testdata/interop/Member.java")
	foreign.EachServer(t, func(t *testing.T, s *session.Session, connect string) {
		java := program.Start(t, connect)
		w := watch(t, group(s))
		w.until("")
		ours := join(t, group(s), "ours", "1")
		java.Wants("join "+path+" java a", "ok")
		w.until("java=a ours=1")
		java.Wants("await java=a ours=1", "java=a ours=1")
		update(t, ours, "2")
		java.Wants("await java=a ours=2", "java=a ours=2")
		java.Wants("set b", "ok")
		v := w.until("java=b ours=2")
		if first, _ := v.First(); first.ID != "ours" {
			t.Errorf("the first is %+v", first)
		}
		leave(t, ours)
		java.Wants("await java=b", "java=b")
		java.Wants("leave", "ok")
		w.until("")
		java.Wants("join "+path+" java again", "ok")
		w.until("java=again")
		java.Kill()
		w.until("")
		w.stop()
	})
}

// The same of Kazoo's Party and ShallowParty.
func TestKazooParty(t *testing.T) {
	foreign.EachServer(t, func(t *testing.T, s *session.Session, connect string) {
		for kind, l := range map[string]membership.Layout{"party": membership.KazooParty, "shallow": membership.KazooShallowParty} {
			python := foreign.Python(t, "testdata/interop/party.py", connect)
			g := group(s, membership.WithLayout(l))
			w := watch(t, g)
			w.until("")
			ours := join(t, g, "ours-1", "")
			python.Wants("join "+kind+" "+path+" py-1", "ok")
			theirs := "ours-1= py-1="
			if kind == "shallow" {
				theirs = "ours-1=ours-1 py-1=py-1"
			}
			w.until(theirs)
			python.Wants("await ours-1 py-1", "ours-1 py-1 2")
			twin := join(t, g, "py-1", "")
			python.Wants("await ours-1 py-1 py-1", "ours-1 py-1 py-1 3")
			leave(t, ours)
			leave(t, twin)
			python.Wants("await py-1", "py-1 1")
			python.Wants("leave", "ok")
			w.until("")
			python.Wants("join "+kind+" "+path+" py-2", "ok")
			for len(w.next().Members) == 0 {
			}
			python.Kill()
			w.until("")
			w.stop()
		}
	})
}
