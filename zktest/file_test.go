package zktest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// stats returns everything that clients can read of nodes.
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

// The file of a server that was killed may lack its last transactions. The next server
// accepts the clients that have seen them. The file of a closed server is complete.
func TestFileOfAKilledServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		closed, killed := filepath.Join(dir, "closed"), filepath.Join(dir, "killed")
		s := zktest.New(t, zktest.WithFile(closed), zktest.WithTimeouts(time.Minute, time.Minute))
		c := dialRaw(t, s)
		c.call(wire.OpCreate, &wire.CreateRequest{Path: "/kept", ACL: world}, nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		b, err := os.ReadFile(closed)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(killed, b, 0o600); err != nil {
			t.Fatal(err)
		}
		seen := c.call(wire.OpCreate, &wire.CreateRequest{Path: "/late", ACL: world}, nil).Zxid
		s.Close()
		for _, tt := range []struct {
			file, tree string
			zxid       int64
		}{
			{killed, "/kept v0 \"\"\n", 1<<32 + 1},
			{killed, "/kept v0 \"\"\n", 1<<32 + 2}, // which has been closed meanwhile
			{closed, "/kept v0 \"\"\n/late v0 \"\"\n", seen + 1},
		} {
			s := zktest.New(t, zktest.WithFile(tt.file), zktest.WithTimeouts(time.Minute, time.Minute))
			again := dialBare(t, s)
			again.greet(wire.ConnectRequest{Timeout: 4000, LastZxidSeen: seen, SessionID: c.hi.SessionID, Passwd: c.hi.Passwd})
			if again.hi.SessionID != c.hi.SessionID {
				t.Errorf("%s: the session is not resumed", tt.file)
			}
			if hdr := again.call(wire.OpSetData, &wire.SetDataRequest{Path: "/", Version: -1}, nil); hdr.Zxid != tt.zxid {
				t.Errorf("%s: the next transaction is %#x, want %#x", tt.file, hdr.Zxid, tt.zxid)
			}
			if got := s.Tree(); got != tt.tree {
				t.Errorf("%s: tree\n%s, want\n%s", tt.file, got, tt.tree)
			}
			s.Close()
		}
	})
}

// A server may be killed before it has saved anything, and so may the next one. Each starts
// above all zxids of its predecessors.
func TestFileOfAServerKilledAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, "0")
		var seen int64
		for n := range 4 {
			s := zktest.New(t, zktest.WithFile(file), zktest.WithTimeouts(time.Minute, time.Minute))
			c := dialBare(t, s)
			c.greet(wire.ConnectRequest{Timeout: 4000, LastZxidSeen: seen, Passwd: make([]byte, 16)})
			if c.hi.SessionID == 0 {
				t.Fatalf("server %d refuses a client that has seen %#x", n, seen)
			}
			for range 10 {
				zxid := c.call(wire.OpSetData, &wire.SetDataRequest{Path: "/", Version: -1}, nil).Zxid
				if zxid <= seen {
					t.Fatalf("server %d: zxid %#x after %#x", n, zxid, seen)
				}
				seen = zxid
			}
			b, err := os.ReadFile(file) // the file of a server that is killed now
			if err != nil {
				t.Fatal(err)
			}
			file = filepath.Join(dir, strconv.Itoa(n+1))
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A server that was closed, started again and killed at once counts as killed.
func TestFileOfAServerClosedAndThenKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		file, copied := filepath.Join(dir, "file"), filepath.Join(dir, "copy")
		zktest.New(t, zktest.WithFile(file)).Close()
		s := zktest.New(t, zktest.WithFile(file))
		seen := dialRaw(t, s).call(wire.OpSetData, &wire.SetDataRequest{Path: "/", Version: -1}, nil).Zxid
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied, b, 0o600); err != nil {
			t.Fatal(err)
		}
		c := dialBare(t, zktest.New(t, zktest.WithFile(copied)))
		c.greet(wire.ConnectRequest{Timeout: 4000, LastZxidSeen: seen, Passwd: make([]byte, 16)})
		if c.hi.SessionID == 0 {
			t.Errorf("refuses a client that has seen %#x", seen)
		}
	})
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

// The file of a running server lacks at most the last second.
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
