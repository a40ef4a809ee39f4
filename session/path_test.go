package session

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckPath(t *testing.T) {
	tests := []struct {
		path string
		why  string // "" if it is in order
	}{
		{"/", ""},
		{"/a", ""},
		{"/a/b c/ü/日本", ""},
		{"/a/...", ""},
		{"/.a", ""},
		{"", "is empty"},
		{"a", "does not start with /"},
		{"a/b", "does not start with /"},
		{"/a/", "ends with /"},
		{"//", "ends with /"},
		{"//a", "has an empty element"},
		{"/a//b", "has an empty element"},
		{"/.", "has a relative element"},
		{"/a/./b", "has a relative element"},
		{"/a/..", "has a relative element"},
		{"/\x00", "has the character U+0000, which ZooKeeper does not allow"},
		{"/a\x1fb", "has the character U+001F, which ZooKeeper does not allow"},
		{"/a\x7f", "has the character U+007F, which ZooKeeper does not allow"},
		{"/a\u009f", "has the character U+009F, which ZooKeeper does not allow"},
		{"/\ue000", "has the character U+E000, which ZooKeeper does not allow"},
		{"/\ufff0", "has the character U+FFF0, which ZooKeeper does not allow"},
		{"/\U0001f512", "has the character U+1F512, which ZooKeeper does not allow"},
		{"/\xff", "is not UTF-8"},
	}
	for _, tt := range tests {
		err := checkPath(tt.path)
		switch {
		case tt.why == "" && err != nil:
			t.Errorf("%q: %v", tt.path, err)
		case tt.why != "" && (!errors.Is(err, ErrInvalid) || !strings.HasSuffix(err.Error(), tt.why)):
			t.Errorf("%q: %v, want one that ends with %q", tt.path, err, tt.why)
		}
	}
}

func TestJoinSplit(t *testing.T) {
	for _, tt := range []struct{ path, parent, name string }{
		{"/a", "/", "a"}, {"/a/b", "/a", "b"}, {"/a/b/c", "/a/b", "c"},
	} {
		if got := Join(tt.parent, tt.name); got != tt.path {
			t.Errorf("Join(%q, %q) = %q", tt.parent, tt.name, got)
		}
		if parent, name := Split(tt.path); parent != tt.parent || name != tt.name {
			t.Errorf("Split(%q) = %q, %q", tt.path, parent, name)
		}
	}
}

func TestChrootMapsBothWays(t *testing.T) {
	for _, tt := range []struct {
		root     chroot
		rel, abs string
	}{
		{"", "/", "/"}, {"", "/a", "/a"}, {"/app", "/", "/app"}, {"/app", "/a/b", "/app/a/b"}, {"/app/x", "/app/x", "/app/x/app/x"},
	} {
		if got := tt.root.abs(tt.rel); got != tt.abs {
			t.Errorf("%q: abs(%q) = %q", tt.root, tt.rel, got)
		}
		if got := tt.root.rel(tt.abs); got != tt.rel {
			t.Errorf("%q: rel(%q) = %q", tt.root, tt.abs, got)
		}
	}
}
