//go:build interop

package lock_test

import (
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/test/foreign"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
)

// These pairs do not exclude each other. docs/migrating/kazoo.md lists them.
func TestUnsafeWithKazoo(t *testing.T) {
	foreign.EachServer(t, func(t *testing.T, s *session.Session, servers string) {
		f := startThreads(t, foreign.Python(t, "testdata/interop/locks.py", servers))
		t.Run("the default layout", func(t *testing.T) {
			l := take(t, lock.New(s, "/k/default").Lock)
			f.wants("ok", "ann", "lock /k/default 60000")
			f.wants("ok", "ann", "return")
			mustUnlock(t, l)
		})
		t.Run("readers and a lock", func(t *testing.T) {
			l := take(t, lock.NewRW(s, "/k/readers", kazoo).RLock)
			f.wants("ok", "ann", "lock /k/readers 60000")
			f.wants("ok", "ann", "return")
			mustUnlock(t, l)
		})
	})
}

// With extra_lock_patterns, Kazoo and the default layout exclude each other.
func TestKazooWithExtraPatterns(t *testing.T) {
	foreign.EachServer(t, func(t *testing.T, s *session.Session, servers string) {
		f := startThreads(t, foreign.Python(t, "testdata/interop/locks.py", servers))
		m := lock.New(s, "/k/patterns")
		l := take(t, m.Lock)
		f.wants("no", "ann", "lockany /k/patterns 300")
		mustUnlock(t, l)
		f.wants("ok", "ann", "lockany /k/patterns 60000")
		refused(t, "TryLock beside Kazoo", m.TryLock)
		f.wants("ok", "ann", "return")
	})
}

// These pairs do not exclude each other. docs/migrating/curator.md lists them.
func TestUnsafeWithCurator(t *testing.T) {
	java := foreign.Compile(t, "testdata/interop/Locks.java")
	foreign.EachServer(t, func(t *testing.T, s *session.Session, servers string) {
		f := startThreads(t, java.Start(t, servers))
		beside := func(path string, l *lock.Lease) {
			f.wants("ok", "ann", "lock %s 60000", path)
			f.wants("ok", "ann", "unlock %s", path)
			mustUnlock(t, l)
		}
		beside("/c/writer", take(t, lock.NewRW(s, "/c/writer").Lock))
		beside("/c/reader", take(t, lock.NewRW(s, "/c/reader").RLock))
		beside("/c/kazoo", take(t, lock.New(s, "/c/kazoo", kazoo).Lock))

		f.wants("ok", "ann", "write /c/theirs 60000")
		f.wants("ok", "bob", "lock /c/theirs 60000")
		f.wants("ok", "bob", "unlock /c/theirs")
		f.wants("ok", "ann", "unwrite /c/theirs")
	})
}
