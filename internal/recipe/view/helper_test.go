package view_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func open(t testing.TB, s *session.Session, path string, opts view.Options) *view.View {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	v, err := view.Open(ctx, s, path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// text formats a snapshot: "-" if the root does not exist, otherwise its data, and
// then the nodes with their data.
func text(s *view.Snapshot) string {
	if !s.Exists {
		return "-"
	}
	parts := []string{string(s.Root.Data)}
	for _, n := range s.Nodes {
		data := string(n.Data)
		if errors.Is(n.Err, session.ErrNoAuth) {
			data += "!"
		}
		parts = append(parts, n.Path+"="+data)
	}
	return strings.Join(parts, " ")
}

// shows waits until the view shows want, in the format of text.
func shows(t testing.TB, v *view.View, want string) *view.Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for s, err := range v.Watch(ctx) {
		if err != nil {
			t.Fatalf("it shows %q, not %q: %v", text(v.Snapshot()), want, err)
		}
		if text(s) == want {
			return s
		}
	}
	return nil
}

// fresh reads, without a view, the nodes that a view of everything below a node should
// show.
func fresh(t testing.TB, s *session.Session, root string) string {
	t.Helper()
	if _, ok, err := s.Exists(t.Context(), root); err != nil || !ok {
		return "-"
	}
	nodes := map[string]string{}
	var walk func(path, rel string)
	walk = func(path, rel string) {
		names, _, err := s.Children(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, st, err := s.Get(t.Context(), session.Join(path, name))
			if err != nil {
				t.Fatal(err)
			}
			nodes[rel+name] = fmt.Sprintf("%s=%s@%v", rel+name, data, st.Mzxid)
			walk(session.Join(path, name), rel+name+"/")
		}
	}
	walk(root, "")
	var parts []string
	for _, path := range slices.Sorted(maps.Keys(nodes)) {
		parts = append(parts, nodes[path])
	}
	return strings.Join(parts, " ")
}

// stamped formats a snapshot like fresh.
func stamped(s *view.Snapshot) string {
	if !s.Exists {
		return "-"
	}
	var parts []string
	for _, n := range s.Nodes {
		parts = append(parts, fmt.Sprintf("%s=%s@%v", n.Path, n.Data, n.Stat.Mzxid))
	}
	return strings.Join(parts, " ")
}
