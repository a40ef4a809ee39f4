package config

import (
	"reflect"
	"slices"
	"strings"
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
	was, is := old.Entries, v.Entries
	for len(was) > 0 || len(is) > 0 {
		switch {
		case len(was) == 0 || len(is) > 0 && is[0].Key < was[0].Key:
			added, is = append(added, is[0]), is[1:]
		case len(is) == 0 || was[0].Key < is[0].Key:
			removed, was = append(removed, was[0]), was[1:]
		default:
			// Zxids and versions can repeat after servers are restored.
			if is[0].Zxid != was[0].Zxid || is[0].Version != was[0].Version || !reflect.DeepEqual(is[0].Value, was[0].Value) {
				changed = append(changed, is[0])
			}
			was, is = was[1:], is[1:]
		}
	}
	return added, removed, changed
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
