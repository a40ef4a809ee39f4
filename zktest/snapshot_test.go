package zktest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/internal/wire"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// stats is everything that clients can find out of nodes.
func stats(c *rawConn, paths ...string) (all []wire.GetDataResponse) {
	for _, path := range paths {
		var r wire.GetDataResponse
		c.call(wire.OpGetData, &wire.PathWatch{Path: path}, &r)
		all = append(all, r)
	}
	return all
}

func TestFileKeepsTreeAndSessions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tree")
	s := zktest.New(t, zktest.WithFile(file))
	c := dialRaw(t, s)
	for _, r := range []*wire.CreateRequest{
		{Path: "/a", Data: []byte{0, 255}, ACL: []wire.ACL{{Perms: 31, Scheme: "ip", ID: "127.0.0.1"}, {Perms: 1, Scheme: "world", ID: "anyone"}}},
		{Path: "/a/e", ACL: world, Flags: wire.FlagEphemeral},
		{Path: "/a/n", ACL: world, Flags: wire.FlagSequential},
	} {
		c.call(wire.OpCreate, r, nil)
	}
	c.call(wire.OpCreateContainer, &wire.CreateRequest{Path: "/c", ACL: world, Flags: wire.FlagContainer}, nil)
	c.call(wire.OpCreateTTL, &wire.CreateRequest{Path: "/t", ACL: world, Flags: wire.FlagTTL, TTL: 9000, HasTTL: true}, nil)
	paths := []string{"/", "/a", "/a/e", "/a/n0000000001", "/c", "/t"}
	want, tree, sessions := stats(c, paths...), s.Tree(), s.Sessions()
	s.Close()

	s = zktest.New(t, zktest.WithFile(file))
	if got := s.Tree(); got != tree {
		t.Errorf("tree\n%s, want\n%s", got, tree)
	}
	if got := s.Sessions(); !slices.Equal(got, sessions) {
		t.Errorf("sessions %x, want %x", got, sessions)
	}
	again := dialBare(t, s)
	again.greet(wire.ConnectRequest{Timeout: 4000, SessionID: c.hi.SessionID, Passwd: c.hi.Passwd})
	if diff := cmp.Diff(want, stats(again, paths...)); diff != "" {
		t.Error(diff)
	}
}

func TestFileOfAnotherKind(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tree")
	for _, content := range []string{"hello", `{"Nodes":[{"Path":"/no/parent"}]}`, `{"Nodes":[{"Path":"x"}]}`} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := zktest.Start(zktest.WithFile(file)); err == nil {
			s.Close()
			t.Errorf("started with %s", content)
		}
	}
}

// A server that is not closed has saved all but its last second.
func TestFileIsWrittenWhileTheServerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "tree")
		s := zktest.New(t, zktest.WithFile(file), zktest.WithTimeouts(time.Minute, time.Minute))
		dialRaw(t, s).call(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: world}, nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		b, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(b), `"Path":"/a"`) {
			t.Errorf("%s, %v", b, err)
		}
	})
}
