package ztree

import (
	"fmt"
	"strings"
	"testing"
)

// The expected orders are those of java.util.HashSet, as OpenJDK 17 printed them.
func TestHashSetOrder(t *testing.T) {
	children, ephemerals := newHashSet(childBuckets), newHashSet(ephemeralBuckets)
	for i := range 14 {
		name := fmt.Sprintf("n-%010d", i*7)
		children.add(name)
		ephemerals.add("/p/" + name)
	}
	children.remove("n-0000000021")
	ephemerals.remove("/p/n-0000000021")
	for _, name := range []string{"Aa", "BB", "n-0000000021", "ä😀"} { // Aa and BB have the same hash
		children.add(name)
	}
	want := "Aa BB n-0000000035 n-0000000056 n-0000000014 n-0000000028 n-0000000049 n-0000000007 n-0000000070 " +
		"n-0000000084 n-0000000042 n-0000000063 n-0000000000 n-0000000077 n-0000000021 ä😀 n-0000000091"
	if got := strings.Join(children.list(), " "); got != want {
		t.Errorf("listed\n%s\nwant\n%s", got, want)
	}
	want = "/p/n-0000000084 /p/n-0000000063 /p/n-0000000042 /p/n-0000000000 /p/n-0000000077 /p/n-0000000056 " +
		"/p/n-0000000035 /p/n-0000000091 /p/n-0000000070 /p/n-0000000014 /p/n-0000000049 /p/n-0000000028 /p/n-0000000007"
	if got := strings.Join(ephemerals.cloneList(), " "); got != want {
		t.Errorf("cloned\n%s\nwant\n%s", got, want)
	}
}

// An undone change leaves no trace in the order: the string is not at the end of its
// bucket, and the table has not grown.
func TestHashSetRestore(t *testing.T) {
	s := newHashSet(childBuckets)
	for _, name := range []string{"a", "i", "q", "b", "c", "d"} {
		s.add(name)
	}
	before := strings.Join(s.list(), " ")
	for name, change := range map[string]func(string){
		"a":   func(v string) { s.remove(v); s.add(v) },
		"new": s.add,
	} {
		was := s.checkpoint(name)
		change(name)
		s.restore(was)
		if got := strings.Join(s.list(), " "); got != before {
			t.Errorf("after %s: %s, want %s", name, got, before)
		}
	}
}
