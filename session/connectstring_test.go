package session

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseConnect(t *testing.T) {
	tests := []struct {
		connect string
		servers []string
		root    chroot
	}{
		{"zk", []string{"zk:2181"}, ""},
		{"zk:2182", []string{"zk:2182"}, ""},
		{"a:1,b:2,c", []string{"a:1", "b:2", "c:2181"}, ""},
		{" a:1 , b:2 ", []string{"a:1", "b:2"}, ""},
		{"a:1/app", []string{"a:1"}, "/app"},
		{"a:1,b:2/app/deep", []string{"a:1", "b:2"}, "/app/deep"},
		{"a:1/", []string{"a:1"}, ""},
		{"a:1/app/", []string{"a:1"}, "/app"},
		{"10.0.0.1", []string{"10.0.0.1:2181"}, ""},
		{"::1", []string{"[::1]:2181"}, ""},
		{"[::1]", []string{"[::1]:2181"}, ""},
		{"[::1]:2182", []string{"[::1]:2182"}, ""},
		{"2001:db8::1,[2001:db8::2]:2182", []string{"[2001:db8::1]:2181", "[2001:db8::2]:2182"}, ""},
		{"[fe80::1%eth0]:2181", []string{"[fe80::1%eth0]:2181"}, ""},
	}
	for _, tt := range tests {
		servers, root, err := parseConnect(tt.connect)
		if err != nil || root != tt.root || !cmp.Equal(servers, tt.servers) {
			t.Errorf("%q: %q, %q, %v; want %q, %q", tt.connect, servers, root, err, tt.servers, tt.root)
		}
	}
}

func TestParseConnectForPrograms(t *testing.T) {
	servers, root, err := ParseConnect("a, [::1]:2182/app/")
	if err != nil || root != "/app" || !cmp.Equal(servers, []string{"a:2181", "[::1]:2182"}) {
		t.Errorf("%q, %q, %v", servers, root, err)
	}
	var opErr *OpError
	if _, _, err := ParseConnect("a:http"); !errors.As(err, &opErr) || !errors.Is(err, ErrInvalid) || opErr.Path != "a:http" {
		t.Errorf("%v", err)
	}
}

func TestParseConnectRefuses(t *testing.T) {
	for _, connect := range []string{
		"", " ", "/app", ",", "a,", ",a", "a,,b", "a:0", "a:65536", "a:-1", "a:", "a:http", "a:1:2", ":2181",
		"a b:1", "user@a:1", "a\n:1", "[::1", "::1]", "[::1]x", "[a:1", "a:1/app//x", "a:1/../x", "a:1/a/./b",
	} {
		if servers, root, err := parseConnect(connect); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q is taken as %q, %q, %v", connect, servers, root, err)
		}
	}
}
