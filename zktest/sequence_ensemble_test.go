//go:build ensemble

package zktest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/datadir"
	"github.com/zkrecipes/zkrecipes/zktest/internal/javaproc"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// At the end of a node's sequence numbers this server does the same as a real one. The real
// server starts with a snapshot of a server that has created that many children.
func TestEndOfSequence(t *testing.T) {
	real := endOfSequence(t, sequenceNearEnd(t, "2147483645"))
	s := New(t)
	s.mu.Lock()
	s.begin(nil).Apply(wire.OpCreate, &wire.CreateRequest{Path: "/d", ACL: ztree.OpenACL})
	s.mu.Unlock()
	s.setSequence("/d", 2147483645, false, 0)
	if diff := cmp.Diff(real, endOfSequence(t, s.Addr())); diff != "" {
		t.Errorf("real -, zktest +:\n%s", diff)
	}
	t.Logf("%q", real)
}

// Real servers count on while creates are in flight, and continue with the last number when
// these are done, as EndSequenceInBursts does.
func TestSequenceCountsOnInFlight(t *testing.T) {
	c, err := dialRaw(t.Context(), sequenceNearEnd(t, "2147483647"), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for round := range 2 {
		const n = 100
		for i := range n {
			path := fmt.Sprintf("/d/%d-%d-", round, i)
			if err := c.send(c.xid+int32(i)+1, wire.OpCreate, &wire.CreateRequest{Path: path, ACL: ztree.OpenACL, Flags: wire.FlagSequential}); err != nil {
				t.Fatal(err)
			}
		}
		c.xid += n
		past := 0
		for i := range n {
			h, body, err := c.receive()
			var r wire.Path
			if err == nil {
				err = wire.Unmarshal(body, &r)
			}
			if err != nil || h.Err != wire.OK {
				t.Fatalf("create %d: %v, %v", i, h.Err, err)
			}
			last := strings.HasSuffix(r.Path, "-2147483647") && !strings.HasSuffix(r.Path, "--2147483647")
			if i == 0 && !last {
				t.Errorf("the first of several in flight is %s", r.Path)
			}
			if !last {
				past++
			}
		}
		if past == 0 {
			t.Error("no create in flight was numbered past the end")
		}
		t.Logf("%d of %d are numbered past the end", past, n)
	}
}

// sequenceNearEnd returns the address of a real server on which the next sequential child of
// /d gets the number next.
func sequenceNearEnd(t *testing.T, next string) string {
	t.Helper()
	dir := t.TempDir()
	java, err := javaproc.FindJava()
	if err != nil {
		t.Fatal(err)
	}
	path, err := javaproc.FindZooKeeper(os.Getenv("ZOOKEEPER_HOME"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(java, "-cp", path, "testdata/counter/Counter.java", filepath.Join(dir, "1", "data"), next).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, datadir.MarkName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return Ensemble(t, 1, WithDir(dir)).Connect()
}

func endOfSequence(t *testing.T, addr string) (received []string) {
	c, err := dialRaw(t.Context(), addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	note := func(path string, h wire.ReplyHeader, err error) {
		if refused := (*rawError)(nil); errors.As(err, &refused) {
			path = refused.code.String()
		} else if err != nil {
			t.Fatal(err)
		}
		var stat wire.Stat
		c.call(wire.OpExists, &wire.PathWatch{Path: "/d"}, &stat)
		received = append(received, path, string('0'+stat.NumChildren), time.Duration(stat.Cversion).String(), map[bool]string{true: "pzxid moved", false: "pzxid stays"}[stat.Pzxid == h.Zxid])
	}
	create := func(path string, flags int32) {
		var r wire.Path
		h, err := c.call(wire.OpCreate, &wire.CreateRequest{Path: path, ACL: ztree.OpenACL, Flags: flags}, &r)
		note(r.Path, h, err)
	}
	for range 4 {
		create("/d/n", wire.FlagSequential)
	}
	create("/d/other", 0)
	create("/d/m", wire.FlagSequential)
	h, err := c.call(wire.OpDelete, &wire.PathVersion{Path: "/d/n2147483646", Version: -1}, &wire.Empty{})
	note("deleted", h, err)
	create("/d/k", wire.FlagSequential)
	several := &wire.MultiRequest{}
	for range 3 {
		several.Ops = append(several.Ops, wire.MultiOp{Op: wire.OpCreate, Body: &wire.CreateRequest{Path: "/d/several", ACL: ztree.OpenACL, Flags: wire.FlagSequential}})
	}
	var r wire.MultiResponse
	h, err = c.call(wire.OpMulti, several, &r)
	for _, res := range r.Results {
		note(res.Path+res.Err.String(), h, err)
	}
	create("/d/last", wire.FlagSequential)
	return received
}
