//go:build interop

package inspect_test

import (
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/inspect"
	"github.com/zkrecipes/zkrecipes/internal/test/foreign"
	"github.com/zkrecipes/zkrecipes/session"
)

// found returns the text of each recipe below path, without the local address, which is
// Curator's default data.
func found(t *testing.T, s *session.Session, path string) map[string]string {
	t.Helper()
	got := make(map[string]string)
	for _, r := range read(t, s, path).Recipes {
		line := text(r)
		for _, list := range [][]inspect.Participant{r.Owners, r.Waiters, r.Members} {
			for _, p := range list {
				if net.ParseIP(p.Host) != nil {
					line = strings.ReplaceAll(line, " "+p.Host, " HOST")
				}
			}
		}
		got[strings.TrimPrefix(r.Path, path+"/")] = line
	}
	return got
}

// The nodes of Curator are recognized.
func TestCurator(t *testing.T) {
	program := foreign.Compile(t, "testdata/interop/Nodes.java")
	foreign.EachServer(t, func(t *testing.T, s *session.Session, servers string) {
		program.Start(t, servers).Wants("", "ready")
		got := found(t, s, "/c")
		if address, _, ok := strings.Cut(got["barrier"], "; "); ok {
			got["barrier"] = address[:strings.LastIndex(address, " ")] + " HOST"
		}
		if diff := cmp.Diff(map[string]string{
			"barrier":   "value: value, or barrier raised by HOST",
			"count":     "sequence: counter of 4 bytes (binary), or SharedCount or DistributedAtomicInteger of Curator; 5",
			"delay":     "queue: delay queue of Curator (curator-delay); 1 items, 0 claimed, 1 delayed, 0 dead; found not-due",
			"double":    "double-barrier: double barrier (curator); member HOST",
			"group":     "group: group of members (curator), or election by a fixed node; member member x",
			"id":        "queue: queue of Curator with ids (curator-id); 1 items, 0 claimed, 0 delayed, 0 dead, next x",
			"latch":     "election: election (curator); owner me held",
			"long":      "sequence: counter of 8 bytes (binary), or sequence, or DistributedAtomicLong of Curator; 1",
			"mutex":     "lock: lock (curator), or election by Curator's LeaderSelector; owner HOST held",
			"nodes":     "line: line of sequential ephemeral nodes, or lock, or election, or group with a master; owner x; waiter x",
			"priority":  "queue: priority queue of Curator (curator-priority); 1 items, 0 claimed, 0 delayed, 0 dead, next x",
			"queue":     "queue: queue of Curator (curator); 1 items, 0 claimed, 0 delayed, 0 dead, next x",
			"rw":        "rwlock: read/write lock (curator); owner read HOST held",
			"selector":  "lock: lock (curator), or election by Curator's LeaderSelector; owner HOST held",
			"semaphore": "semaphore: semaphore (curator); owner HOST held",
			"simple":    "queue: simple queue (curator-simple); 1 items, 0 claimed, 0 delayed, 0 dead, next x",
		}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// claimant matches the id of Kazoo's client.
var claimant = regexp.MustCompile(`[0-9a-f]{32}`)

// The nodes of Kazoo are recognized.
func TestKazoo(t *testing.T) {
	foreign.EachServer(t, func(t *testing.T, s *session.Session, servers string) {
		foreign.Python(t, "testdata/interop/nodes.py", servers).Wants("", "ready")
		got := found(t, s, "/k")
		got["locking"] = claimant.ReplaceAllString(got["locking"], "CLAIMANT")
		if diff := cmp.Diff(map[string]string{
			"barrier":            "value: empty node, or recipe that nobody uses now, or raised barrier; ",
			"counter":            "value: number (decimal), or value, or sequence, or Counter of Kazoo; 7",
			"double":             "double-barrier: double barrier (curator); member host-41",
			"election":           "lock: lock (kazoo), or election of Kazoo; owner me held",
			"lock":               "lock: lock (kazoo), or election of Kazoo; owner me held",
			"locking":            "queue: locking queue of Kazoo (kazoo-locking); owner CLAIMANT entry-100-0000000000 held; 2 items, 1 claimed, 0 delayed, 0 dead, next y",
			"party":              "group: party of Kazoo (kazoo-party); member me",
			"queue":              "queue: queue of Kazoo (kazoo); 1 items, 0 claimed, 0 delayed, 0 dead, next x",
			"rw":                 "rwlock: read/write lock (kazoo); owner read me held",
			"semaphore":          "semaphore: semaphore (kazoo); owner me held",
			"semaphore-__lock__": "folder: line of a semaphore of Kazoo",
			"shallow":            "group: shallow party of Kazoo (kazoo-shallow-party); member me",
		}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// The nodes of go-zookeeper's lock are recognized.
func TestGoZooKeeper(t *testing.T) {
	foreign.EachServer(t, func(t *testing.T, s *session.Session, servers string) {
		conn, _, err := zk.Connect(strings.Split(servers, ","), 10*time.Second, zk.WithLogInfo(false))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := zk.NewLock(conn, "/g/lock", zk.WorldACL(zk.PermAll)).LockWithData([]byte("me")); err != nil {
			t.Fatal(err)
		}
		r := read(t, s, "/g/lock").Recipes[0]
		if got, want := text(r), "lock: lock (curator); owner me held"; got != want || len(r.Libraries) != 1 || r.Libraries[0] != "go-zookeeper" {
			t.Errorf("%s, used by %q", got, r.Libraries)
		}
	})
}
