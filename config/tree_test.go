package config_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on whatever ZKTEST selects.

func openTree[T any](t testing.TB, s *session.Session, c codec.Codec[T]) *config.Tree[T] {
	t.Helper()
	tree, err := config.OpenTree(t.Context(), s, "/conf", c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

// text writes a view down.
func text[T any](v config.TreeSnapshot[T]) string {
	var parts []string
	for _, e := range v.Entries {
		parts = append(parts, fmt.Sprintf("%s=%v", e.Key, e.Value))
	}
	return strings.Join(parts, " ")
}

// bad are the keys with errors.
func bad[T any](v config.TreeSnapshot[T]) string {
	var keys []string
	for k := range v.Errors {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return strings.Join(keys, " ")
}

// treeShows waits until the tree is as want says.
func treeShows[T any](t testing.TB, tree *config.Tree[T], want string) config.TreeSnapshot[T] {
	t.Helper()
	testkit.Await(t, tree, want, func() bool { return text(tree.Load()) == want })
	return tree.Load()
}

func TestTree(t *testing.T) {
	target := zktest.Open(t)
	s, other := target.Session(t), target.Session(t)
	tree := openTree(t, s, codec.Text())
	if v := tree.Load(); len(v.Entries) != 0 || tree.Err() != nil {
		t.Errorf("of no node it is %+v, %v", v, tree.Err())
	}
	write(t, other, "/conf/db/url", "here") // /conf and /conf/db are directories
	write(t, other, "/conf/db/user", "me")
	write(t, other, "/conf/empty", "")
	was := treeShows(t, tree, "db/url=here db/user=me empty=")
	for key, want := range map[string]string{"db/url": "here", "empty": ""} {
		if v, ok := was.Get(key); !ok || v != want {
			t.Errorf("%s is %q, %v", key, v, ok)
		}
	}
	for _, key := range []string{"db", "", "none", "db/url/x"} {
		if v, ok := was.Get(key); ok {
			t.Errorf("%q is %q", key, v)
		}
	}
	if _, err := other.Txn(t.Context(), session.OpSet("/conf/db/url", []byte("there"), -1), session.OpDelete("/conf/empty", -1),
		session.OpCreate("/conf/db/url/parts", []byte("3")), session.OpDelete("/conf/db/user", -1), session.OpCreate("/conf/db/user", []byte("me"))); err != nil {
		t.Fatal(err)
	}
	is := treeShows(t, tree, "db/url=there db/url/parts=3 db/user=me")
	added, removed, changed := is.Diff(was)
	if keys(added) != "db/url/parts" || keys(removed) != "empty" || keys(changed) != "db/url db/user" {
		t.Errorf("added %v, removed %v, changed %v", added, removed, changed)
	}
	if m := is.Map(); len(m) != 3 || m["db/url"] != "there" {
		t.Errorf("as a map it is %v", m)
	}
	for _, p := range []string{"/conf/db/url/parts", "/conf/db/url", "/conf/db/user", "/conf/db", "/conf"} {
		testkit.Delete(t, other, p)
	}
	treeShows(t, tree, "")
	write(t, other, "/conf/a", "1")
	treeShows(t, tree, "a=1")
	tree.Close()
	tree.Close()
	if text(tree.Load()) != "a=1" || !errors.Is(tree.Err(), config.ErrClosed) {
		t.Errorf("after Close: %v, %v", tree.Load(), tree.Err())
	}
	testkit.NoWatches(t, target, s)
}

func keys[T any](entries []config.Entry[T]) string {
	var ks []string
	for _, e := range entries {
		ks = append(ks, e.Key)
	}
	return strings.Join(ks, " ")
}

// A key whose data becomes bad keeps its last good value; others are not concerned.
func TestTreeKeepsLastGoodValues(t *testing.T) {
	target := zktest.Open(t)
	s, other := target.Session(t), target.Session(t)
	write(t, other, "/conf/a", "1")
	write(t, other, "/conf/never", "nonsense")
	write(t, other, "/conf/directory", "") // without data, it is no value
	testkit.Sync(t, s)
	tree := openTree(t, s, codec.JSON[int]())
	if got := text(tree.Load()); got != "a=1" || bad(tree.Load()) != "never" {
		t.Errorf("it is %q, and bad are %q", got, bad(tree.Load()))
	}
	wantDecode(t, tree.Err(), codec.ErrMalformed, "/conf/never")
	was := tree.Load()
	write(t, other, "/conf/a", "nonsense")
	write(t, other, "/conf/b", "2")
	is := treeShows(t, tree, "a=1 b=2")
	testkit.Await(t, tree, "an error of a", func() bool { return bad(tree.Load()) == "a never" })
	wantDecode(t, tree.Load().Errors["a"], codec.ErrMalformed, "/conf/a")
	if added, removed, changed := is.Diff(was); keys(added) != "b" || len(removed)+len(changed) != 0 {
		t.Errorf("added %v, removed %v, changed %v", added, removed, changed)
	}
	write(t, other, "/conf/a", "") // without data it is bad, where there was a value
	write(t, other, "/conf/never", "3")
	treeShows(t, tree, "a=1 b=2 never=3")
	testkit.Await(t, tree, "an error of a", func() bool { return bad(tree.Load()) == "a" })
	write(t, other, "/conf/a", "4")
	treeShows(t, tree, "a=4 b=2 never=3")
	if tree.Err() != nil || bad(tree.Load()) != "" {
		t.Errorf("in the end: %v, %q", tree.Err(), bad(tree.Load()))
	}
	write(t, other, "/conf/a", "nonsense")
	testkit.Await(t, tree, "an error of a", func() bool { return bad(tree.Load()) == "a" })
	testkit.Delete(t, other, "/conf/a") // a deleted key is gone
	treeShows(t, tree, "b=2 never=3")
	if bad(tree.Load()) != "" {
		t.Errorf("bad are %q", bad(tree.Load()))
	}
	write(t, other, "/conf/a", "nonsense") // and was not this one
	testkit.Await(t, tree, "an error of a", func() bool { return bad(tree.Load()) == "a" })
	treeShows(t, tree, "b=2 never=3")
}

func TestTreeNotAllowed(t *testing.T) {
	s := zktest.Open(t).Session(t)
	write(t, s, "/conf/a", "1")
	secret := session.ACLs(session.ACL{Perms: session.PermAll &^ session.PermRead, Scheme: "world", ID: "anyone"})
	if _, _, err := s.Create(t.Context(), "/conf/secret", []byte("2"), secret); err != nil {
		t.Fatal(err)
	}
	tree := openTree(t, s, codec.JSON[int]())
	if got := text(tree.Load()); got != "a=1" || bad(tree.Load()) != "secret" || !errors.Is(tree.Err(), session.ErrNoAuth) {
		t.Errorf("it is %q, bad are %q, %v", got, bad(tree.Load()), tree.Err())
	}
	write(t, s, "/conf/a", "3")
	treeShows(t, tree, "a=3")
	if _, err := s.SetACL(t.Context(), "/conf/secret", session.OpenACL(), -1); err != nil {
		t.Fatal(err)
	}
	treeShows(t, tree, "a=3 secret=2")
	if tree.Err() != nil {
		t.Errorf("everything may be read, and Err is %v", tree.Err())
	}
	_, err := config.OpenTree(t.Context(), s, "/conf/secret", codec.JSON[int]())
	if err != nil {
		t.Error(err)
	}
}

func TestTreeWrites(t *testing.T) {
	s := zktest.Open(t).Session(t)
	tree := openTree(t, s, codec.JSON[int]())
	ctx := t.Context()
	one, err := tree.Put(ctx, "deep/a", 1, config.Absent)
	if err != nil || one.Version != 0 {
		t.Fatal(one, err)
	}
	_, err = tree.Put(ctx, "deep/a", 2, 5)
	testkit.WantOpError(t, err, session.ErrBadVersion, "/conf/deep/a")
	two, err := tree.Update(ctx, "deep/a", func(n int) (int, error) { return n + 1, nil })
	if err != nil || two.Value != 2 || two.Version != 1 {
		t.Error(two, err)
	}
	if b, err := tree.Update(ctx, "b", func(n int) (int, error) { return n + 1, nil }); err != nil || b.Value != 1 {
		t.Error(b, err)
	}
	treeShows(t, tree, "b=1 deep/a=2")
	testkit.WantOpError(t, tree.Delete(ctx, "deep/a", 0), session.ErrBadVersion, "/conf/deep/a")
	if err := tree.Delete(ctx, "deep/a", two.Version); err != nil {
		t.Error(err)
	}
	testkit.WantOpError(t, tree.Delete(ctx, "deep/a", session.AnyVersion), session.ErrNoNode, "/conf/deep/a")
	treeShows(t, tree, "b=1")
	for _, key := range []string{"", "/", "/a", "a/", "..", "a//b"} {
		_, err := tree.Put(ctx, key, 1, session.AnyVersion)
		testkit.WantOpError(t, err, session.ErrInvalid, "/conf/"+key)
		testkit.WantOpError(t, tree.Delete(ctx, key, session.AnyVersion), session.ErrInvalid, "/conf/"+key)
	}
}

// What one transaction writes is shown at one time.
func TestTreeIsOneMap(t *testing.T) {
	target := zktest.Open(t)
	s, other := target.Session(t), target.Session(t)
	for _, key := range []string{"a", "sub/b"} {
		write(t, other, "/conf/"+key, "0")
	}
	testkit.Sync(t, s)
	tree := openTree(t, s, codec.JSON[int]())
	const n = 30
	var writer sync.WaitGroup
	defer writer.Wait() // the tree may show the last write before its writer hears of it
	writer.Go(func() {
		for i := 1; i <= n; i++ {
			changed, data := tree.Changed(), fmt.Append(nil, i)
			if _, err := other.Txn(t.Context(), session.OpSet("/conf/a", data, -1), session.OpSet("/conf/sub/b", data, -1)); err != nil {
				t.Error(err)
				return
			}
			if i%5 == 0 {
				<-changed
			}
		}
	})
	last := -1
	for v, err := range tree.Watch(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		m := v.Map()
		if m["a"] != m["sub/b"] || len(m) != 2 || m["a"] < last {
			t.Fatalf("it is %v after %d", m, last)
		}
		if last = m["a"]; last == n {
			break
		}
	}
}

func TestTreeWatchEnds(t *testing.T) {
	s := zktest.Open(t).Session(t)
	tree := openTree(t, s, codec.Text())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for v, err := range tree.Watch(ctx) {
		if err == nil {
			cancel()
			continue
		}
		testkit.WantOpError(t, err, context.Canceled, "/conf")
		if len(v.Entries) != 0 {
			t.Errorf("it ends with %v", v)
		}
	}
	for _, err := range tree.Watch(t.Context()) {
		if err == nil {
			s.Close(t.Context())
		} else if !errors.Is(err, session.ErrClosed) {
			t.Errorf("it ends with %v", err)
		}
	}
	if err := tree.Err(); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Err of a tree whose session is closed: %v", err)
	}
}
