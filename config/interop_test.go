//go:build interop

package config_test

import (
	"sync"
	"testing"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/internal/test/foreign"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
)

func follow[T any](t *testing.T, s *session.Session, path string, c codec.Codec[T]) *config.Value[T] {
	t.Helper()
	var zero T
	v, err := config.OpenOr(t.Context(), s, path, c, zero)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

func holds[T comparable](t *testing.T, v *config.Value[T], want T) {
	t.Helper()
	testkit.Await(t, v, "what the other has written", func() bool { return v.Load() == want && v.Err() == nil })
}

func increment[T int | int32](n T) (T, error) { return n + 1, nil }

// Curator's SharedCount, counters and NodeCache see what a Value writes and write
// what it sees, and nothing is lost when both count at the same time.
func TestCurator(t *testing.T) {
	program := foreign.Compile(t, "testdata/interop/Shared.java")
	foreign.EachServer(t, func(t *testing.T, s *session.Session, connect string) {
		java := program.Start(t, connect)
		java.Wants("count /shared 5", "5")
		n := follow(t, s, "/shared", codec.Int32())
		holds(t, n, 5)
		if _, err := n.Update(t.Context(), increment[int32]); err != nil {
			t.Fatal(err)
		}
		java.Wants("counts 6", "6")
		java.Wants("try -2147483648", "true")
		holds(t, n, -2147483648)
		if _, err := n.Put(t.Context(), 0, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		java.Wants("counts 0", "0")

		const times = 50
		var both sync.WaitGroup
		both.Go(func() {
			for range times {
				if _, err := n.Update(t.Context(), increment[int32]); err != nil {
					t.Error(err)
				}
			}
		})
		java.Wants("increment /shared 50", "ok")
		both.Wait()
		holds(t, n, 2*times)
		java.Wants("counts 100", "100")

		long := follow(t, s, "/long", codec.Int64())
		if _, err := long.Put(t.Context(), 1<<40, config.Absent); err != nil {
			t.Fatal(err)
		}
		java.Wants("long /long -1", "1099511627775")
		holds(t, long, 1<<40-1)

		text := follow(t, s, "/text", codec.Text())
		java.Wants("cache /text", "ok")
		for _, v := range []string{"one", "two"} {
			if _, err := text.Put(t.Context(), v, session.AnyVersion); err != nil {
				t.Fatal(err)
			}
			java.Wants("caches "+v, v)
		}
		if err := s.Delete(t.Context(), "/text", session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		java.Wants("caches", "")
	})
}

// So do Kazoo's DataWatch and Counter.
func TestKazoo(t *testing.T) {
	foreign.EachServer(t, func(t *testing.T, s *session.Session, connect string) {
		python := foreign.Python(t, "testdata/interop/shared.py", connect)
		text := follow(t, s, "/text", codec.Text())
		python.Wants("watch /text", "ok")
		if _, err := text.Put(t.Context(), "one", session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		python.Wants("sees one", "one")
		python.Wants("set /text two", "ok")
		holds(t, text, "two")
		if err := s.Delete(t.Context(), "/text", session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		python.Wants("sees -", "-")

		n := follow(t, s, "/counter", codec.JSON[int]())
		if _, err := n.Put(t.Context(), 7, config.Absent); err != nil {
			t.Fatal(err)
		}
		const times = 50
		var both sync.WaitGroup
		both.Go(func() {
			for range times {
				if _, err := n.Update(t.Context(), increment[int]); err != nil {
					t.Error(err)
				}
			}
		})
		python.Wants("count /counter 50", "ok")
		both.Wait()
		holds(t, n, 7+2*times)
	})
}
