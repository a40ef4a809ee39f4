package config

import (
	"reflect"
	"slices"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
)

// Entry is one value of a tree.
type Entry[T any] struct {
	Key string // the node's path relative to the tree's: "a" or "a/b"
	Snapshot[T]
}

// TreeSnapshot is an immutable copy of a tree of values at one moment.
type TreeSnapshot[T any] struct {
	// Entries are the values, sorted by key. A key whose data has become invalid has
	// its last good value.
	Entries []Entry[T]
	// Errors has the keys whose data is not a value (*DecodeError) or cannot be read
	// (session.ErrNoAuth).
	Errors map[string]error
}

// Get returns the value of a key.
func (v TreeSnapshot[T]) Get(key string) (value T, ok bool) {
	i, ok := slices.BinarySearchFunc(v.Entries, key, func(e Entry[T], key string) int { return strings.Compare(e.Key, key) })
	if ok {
		value = v.Entries[i].Value
	}
	return value, ok
}

// Map returns all values by their keys, in a new map.
func (v TreeSnapshot[T]) Map() map[string]T {
	m := make(map[string]T, len(v.Entries))
	for _, e := range v.Entries {
		m[e.Key] = e.Value
	}
	return m
}

// Diff returns the values that were added, removed and changed since old, each sorted
// by key. A value that was written again counts as changed, even if it is equal.
func (v TreeSnapshot[T]) Diff(old TreeSnapshot[T]) (added, removed, changed []Entry[T]) {
	return view.Diff(old.Entries, v.Entries, func(a, b *Entry[T]) int { return strings.Compare(a.Key, b.Key) }, (*Entry[T]).same)
}

// same reports whether nothing was written between two copies of an entry.
func (e *Entry[T]) same(o *Entry[T]) bool {
	// Zxids and versions can repeat after servers are restored.
	return e.Zxid == o.Zxid && e.Version == o.Version && reflect.DeepEqual(e.Value, o.Value)
}

// err returns the error of the first key that has one.
func (v TreeSnapshot[T]) err() error {
	var first string
	var err error
	for key, e := range v.Errors {
		if err == nil || key < first {
			first, err = key, e
		}
	}
	return err
}
