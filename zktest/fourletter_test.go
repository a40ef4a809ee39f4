package zktest_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// ask sends a four-letter word over a connection in memory and returns the answer.
func ask(t testing.TB, s *zktest.Server, word string) string {
	t.Helper()
	nc, err := s.DialContext(t.Context(), "tcp", "zk:2181")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, word); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// number returns the number after a name in the answer to a word.
func number(t testing.TB, s *zktest.Server, word, name string) int {
	t.Helper()
	answer := ask(t, s, word)
	m := regexp.MustCompile(`(?m)^` + name + `:?\s(\d+)$`).FindStringSubmatch(answer)
	if m == nil {
		t.Fatalf("%s has no %s:\n%s", word, name, answer)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The counts of requests and replies do not decrease when connections end, in any word that
// has them, except by srst.
func TestTrafficNeverGoesDown(t *testing.T) {
	s := zktest.New(t)
	for range 3 {
		c := dialRaw(t, s)
		for range 10 {
			c.call(wire.OpExists, &wire.PathWatch{Path: "/"}, nil)
		}
		c.nc.Close()
	}
	asked := 0
	for _, w := range []struct{ word, received, sent string }{
		{"srvr", "Received", "Sent"}, {"stat", "Received", "Sent"}, {"mntr", "zk_packets_received", "zk_packets_sent"},
	} {
		// 33 requests, and the four-letter words themselves, the current one without its answer.
		if got := number(t, s, w.word, w.received); got != 33+asked+1 {
			t.Errorf("%s: %s is %d after %d requests and %d questions", w.word, w.received, got, 33, asked)
		}
		if got := number(t, s, w.word, w.sent); got != 33+asked+1 {
			t.Errorf("%s: %s is %d after %d replies and %d answers", w.word, w.sent, got, 33, asked+1)
		}
		asked += 2
	}
	if got := ask(t, s, "srst"); got != "Server stats reset.\n" {
		t.Errorf("srst: %q", got)
	}
	if got := number(t, s, "srvr", "Received"); got != 1 {
		t.Errorf("received %d after srst", got)
	}
}

// cons and stat have the fields of a real server, and crst resets them.
func TestConnectionsHaveTheRealFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t, zktest.WithTimeouts(time.Minute, time.Minute))
		c := dialRaw(t, s)
		line := func(word, id string) string {
			for l := range strings.Lines(ask(t, s, word)) {
				if strings.Contains(l, id) {
					return strings.TrimSpace(l)
				}
			}
			t.Fatalf("%s has no line with %s", word, id)
			return ""
		}
		sid := fmt.Sprintf("sid=0x%x,", c.hi.SessionID)
		const idle = "llat=0,minlat=0,avglat=0,maxlat=0)"
		established := time.Now().UnixMilli()
		check := func(recved int, rest string) {
			t.Helper()
			want := fmt.Sprintf("/client[1](queued=0,recved=%d,sent=%d,%s", recved, recved, sid) + rest
			got := line("cons", sid)
			if got = got[strings.Index(got, "["):]; got != want[strings.Index(want, "["):] {
				t.Errorf("cons: %s, want %s", got, want)
			}
		}
		check(1, fmt.Sprintf("lop=SESS,est=%d,to=60000,lcxid=0x0,lzxid=0x1,lresp=0,", established)+idle)
		time.Sleep(2 * time.Second)
		created := c.call(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: world}, nil)
		check(2, fmt.Sprintf("lop=CREA,est=%d,to=60000,lcxid=0x%x,lzxid=0x2,lresp=2000,", established, created.Xid)+idle)
		refused := c.call(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: world}, nil)
		check(3, fmt.Sprintf("lop=NA,est=%d,to=60000,lcxid=0x%x,lzxid=0x3,lresp=2000,", established, refused.Xid)+idle)
		missing := c.call(wire.OpExists, &wire.PathWatch{Path: "/none"}, nil)
		check(4, fmt.Sprintf("lop=EXIS,est=%d,to=60000,lcxid=0x%x,lzxid=0x3,lresp=2000,", established, missing.Xid)+idle)
		if got := line("stat", "recved=4"); !strings.HasSuffix(got, "[1](queued=0,recved=4,sent=4)") {
			t.Errorf("stat: %s", got)
		}
		if got := line("stat", "[0]"); !strings.HasSuffix(got, "[0](queued=0,recved=1,sent=0)") {
			t.Errorf("stat of the one that asks: %s", got)
		}
		if got := ask(t, s, "crst"); got != "Connection stats reset.\n" {
			t.Errorf("crst: %q", got)
		}
		check(0, fmt.Sprintf("lop=NA,est=%d,to=60000,lzxid=0xffffffffffffffff,lresp=0,", established)+idle)
	})
}

// gtmk returns the mask that stmk has set. dirs returns the size of the file.
func TestWordsThatAreRarelyAsked(t *testing.T) {
	s := zktest.New(t, zktest.WithFile(filepath.Join(t.TempDir(), "tree")))
	if got := ask(t, s, "gtmk"); got != "306" {
		t.Errorf("gtmk: %q", got)
	}
	if got := ask(t, s, "stmk"+string(binary.BigEndian.AppendUint64(nil, 254))); got != "254" {
		t.Errorf("stmk: %q", got)
	}
	if got := ask(t, s, "gtmk"); got != "254" {
		t.Errorf("gtmk: %q", got)
	}
	if got := ask(t, s, "dirs"); !regexp.MustCompile(`^datadir_size: [1-9]\d*\nlogdir_size: [1-9]\d*\n$`).MatchString(got) {
		t.Errorf("dirs: %q", got)
	}
	for _, key := range []string{"java.version", "os.name", "os.version", "user.dir", "os.memory.total"} {
		if got := ask(t, s, "envi"); !strings.Contains(got, "\n"+key+"=") {
			t.Errorf("envi has no %s:\n%s", key, got)
		}
	}
}

// The data size in mntr is that of the tree, also after transactions that have failed and
// changes of quotas.
func TestDataSizeIsThatOfTheTree(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tree")
	s := zktest.New(t, zktest.WithFile(file))
	c := dialRaw(t, s)
	empty := number(t, s, "mntr", "zk_approximate_data_size")
	createOp := func(path, data string) wire.MultiOp {
		return wire.MultiOp{Op: wire.OpCreate, Body: &wire.CreateRequest{Path: path, Data: []byte(data), ACL: world}}
	}
	set := func(path, data string) wire.MultiOp {
		return wire.MultiOp{Op: wire.OpSetData, Body: &wire.SetDataRequest{Path: path, Data: []byte(data), Version: -1}}
	}
	del := func(path string) wire.MultiOp {
		return wire.MultiOp{Op: wire.OpDelete, Body: &wire.PathVersion{Path: path, Version: -1}}
	}
	multi := func(ops ...wire.MultiOp) { c.call(wire.OpMulti, &wire.MultiRequest{Ops: ops}, &wire.MultiResponse{}) }
	multi(createOp("/a", "12345"), set("/a", "123"), createOp("/b", "x"), del("/b"))
	multi(set("/a", "1234567"), createOp("/c", "yy"), set("/c", "y"), del("/a"), del("/none")) // is rolled back
	if got := number(t, s, "mntr", "zk_approximate_data_size"); got != empty+len("/a")+3 {
		t.Errorf("%d bytes more, want %d", got-empty, len("/a")+3)
	}
	quota := "/zookeeper/quota/a"
	multi(createOp(quota, ""), createOp(quota+"/zookeeper_limits", "count=9,bytes=9"), createOp(quota+"/zookeeper_stats", ""))
	multi(set("/a", "123456789012"))
	want := number(t, s, "mntr", "zk_approximate_data_size")
	s.Close()
	if got := number(t, zktest.New(t, zktest.WithFile(file)), "mntr", "zk_approximate_data_size"); got != want {
		t.Errorf("%d bytes, and %d in the next server", want, got)
	}
}

// The time of mntr does not depend on the number of nodes.
func TestMonitoringDoesNotWalkTheTree(t *testing.T) {
	s := zktest.New(t)
	c := dialRaw(t, s)
	fastest := func(word string) time.Duration {
		best := time.Hour
		for range 20 {
			began := time.Now()
			ask(t, s, word)
			best = min(best, time.Since(began))
		}
		return best
	}
	for range 60 {
		ops := make([]wire.MultiOp, 1000)
		for i := range ops {
			ops[i] = wire.MultiOp{Op: wire.OpCreate, Body: &wire.CreateRequest{Path: "/n", ACL: world, Flags: wire.FlagSequential}}
		}
		c.call(wire.OpMulti, &wire.MultiRequest{Ops: ops}, &wire.MultiResponse{})
	}
	if monitored, plain := fastest("mntr"), fastest("srvr"); monitored > 50*plain {
		t.Errorf("mntr takes %v, srvr %v", monitored, plain)
	}
}
