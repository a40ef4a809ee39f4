package zktest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// versionString returns the version that the server reports.
func (s *Server) versionString() string {
	number := "3.9.5"
	if s.opts.old {
		number = "3.8.0"
	}
	return number + "-zktest, built on 2026-01-01 00:00 UTC"
}

// fourLetterWord answers a four-letter word and closes the connection. head is the first
// four bytes of the connection, where otherwise the length of the handshake is; rest is
// what follows. It returns false if head is not such a word.
func (s *Server) fourLetterWord(c *conn, head []byte, rest io.Reader) bool {
	if c.handshakeDone {
		return false
	}
	answer := fourLetterWords[string(head)]
	if answer == nil {
		return false
	}
	var mask [8]byte
	if string(head) == "stmk" {
		if _, err := io.ReadFull(rest, mask[:]); err != nil {
			return true // the connection has ended
		}
	}
	s.waitWhilePaused()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applyPartitions(c, 0)
	if c.detached || c.silent() {
		return true
	}
	c.received++
	s.received++
	if string(head) == "stmk" {
		s.traceMask = int64(binary.BigEndian.Uint64(mask[:]))
	}
	text := answer(s, c)
	s.sent++
	c.outMu.Lock()
	c.out.Buf = append(c.out.Buf, text...)
	c.outMu.Unlock()
	s.cut(c)
	return true
}

// fourLetterWords holds the functions that answer the words. Their argument is the
// connection that has asked.
var fourLetterWords = map[string]func(*Server, *conn) string{
	"ruok": func(*Server, *conn) string { return "imok" },
	"isro": func(*Server, *conn) string { return "rw" },
	"srvr": func(s *Server, _ *conn) string { return s.srvr() },
	"stat": (*Server).stat,
	"mntr": func(s *Server, _ *conn) string { return s.mntr() },
	"conf": func(s *Server, _ *conn) string { return s.conf() },
	"cons": func(s *Server, c *conn) string { return s.connections(c, (*conn).details) + "\n" },
	"crst": (*Server).resetConnections,
	"srst": (*Server).resetServer,
	"dirs": func(s *Server, _ *conn) string { return s.dirs() },
	"dump": func(s *Server, _ *conn) string { return s.dump() },
	"gtmk": (*Server).maskText,
	"stmk": (*Server).maskText,
	"wchs": func(s *Server, _ *conn) string { return s.wchs() },
	"wchc": func(s *Server, _ *conn) string { return s.wchc() },
	"wchp": func(s *Server, _ *conn) string { return s.wchp() },
	"envi": func(s *Server, _ *conn) string { return s.environment() },
}

func (s *Server) srvr() string { return "Zookeeper version: " + s.versionString() + "\n" + s.summary() }

func (s *Server) stat(asker *conn) string {
	brief := func(*conn) string { return "" }
	return "Zookeeper version: " + s.versionString() + "\nClients:\n" + s.connections(asker, brief) + "\n" + s.summary()
}

func (s *Server) summary() string {
	return fmt.Sprintf("Latency min/avg/max: 0/0.0/0\nReceived: %d\nSent: %d\nConnections: %d\nOutstanding: 0\nZxid: 0x%x\nMode: standalone\nNode count: %d\n",
		s.received, s.sent, len(s.conns), s.zxid, s.tree.Len())
}

func (s *Server) sortedConns() []*conn {
	return slices.SortedFunc(maps.Keys(s.conns), func(a, b *conn) int {
		return cmp.Or(cmp.Compare(a.id, b.id), strings.Compare(a.nc.RemoteAddr().String(), b.nc.RemoteAddr().String()))
	})
}

// mntr returns the answer that monitoring reads: a key and a value per line.
func (s *Server) mntr() string {
	var b strings.Builder
	for _, kv := range []struct {
		key   string
		value any
	}{
		{"version", s.versionString()}, {"server_state", "standalone"},
		{"ephemerals_count", s.tree.EphemeralCount()}, {"num_alive_connections", len(s.conns)},
		{"avg_latency", "0.0"}, {"min_latency", 0}, {"max_latency", 0},
		{"outstanding_requests", 0}, {"znode_count", s.tree.Len()},
		{"global_sessions", len(s.sessions)}, {"local_sessions", 0},
		{"packets_sent", s.sent}, {"packets_received", s.received},
		{"watch_count", s.watches.nodes.count() + s.watches.children.count()},
		{"approximate_data_size", s.tree.Size()},
		{"open_file_descriptor_count", len(s.conns)}, {"max_file_descriptor_count", 1 << 20}, {"uptime", time.Since(s.startTime).Milliseconds()},
	} {
		fmt.Fprintf(&b, "zk_%s\t%v\n", kv.key, kv.value)
	}
	return b.String()
}

func (s *Server) conf() string {
	_, port, _ := strings.Cut(s.endpoint.addr, ":")
	return fmt.Sprintf("clientPort=%s\nsecureClientPort=-1\ndataDir=%s\ndataDirSize=%[6]d\ndataLogDir=%[2]s\ndataLogSize=%[6]d\ntickTime=%[3]d\nmaxClientCnxns=0\nminSessionTimeout=%[4]d\nmaxSessionTimeout=%[5]d\nclientPortListenBacklog=-1\nserverId=0\n",
		port, s.opts.file, s.opts.tick.Milliseconds(), s.opts.min.Milliseconds(), s.opts.max.Milliseconds(), s.fileSize())
}

// dump returns the sessions by when they expire, and the ephemeral nodes by session.
func (s *Server) dump() string {
	var b strings.Builder
	fmt.Fprintf(&b, "SessionTracker dump:\nSession Sets (%d)/(%d):\n", len(s.expiry.buckets), len(s.sessions))
	for _, bucket := range slices.Sorted(maps.Keys(s.expiry.buckets)) {
		sessions := s.expiry.buckets[bucket]
		fmt.Fprintf(&b, "%d expire at %s:\n", len(sessions), s.expiry.at(bucket).Format(time.UnixDate))
		var ids []int64
		for ss := range sessions {
			ids = append(ids, ss.id)
		}
		for _, id := range slices.Sorted(slices.Values(ids)) {
			fmt.Fprintf(&b, "\t0x%x\n", id)
		}
	}
	owners := s.tree.EphemeralOwners()
	fmt.Fprintf(&b, "ephemeral nodes dump:\nSessions with Ephemerals (%d):\n", len(owners))
	for _, id := range owners {
		fmt.Fprintf(&b, "0x%x:\n", id)
		for _, path := range slices.Sorted(slices.Values(s.tree.Ephemerals(id))) {
			fmt.Fprintf(&b, "\t%s\n", path)
		}
	}
	fmt.Fprintf(&b, "Connections dump:\nConnections Sets (1)/(%d):\n", len(s.conns))
	for _, c := range s.sortedConns() {
		fmt.Fprintf(&b, "\tip: /%v sessionId: 0x%x\n", c.nc.RemoteAddr(), c.id)
	}
	return b.String()
}

// wchs returns the numbers of watches of nodes. As on a real server, neither it nor wchc
// and wchp include watches of children.
func (s *Server) wchs() string {
	w := s.watches.nodes
	return fmt.Sprintf("%d connections watching %d paths\nTotal watches:%d\n", len(w.conns), len(w.paths), w.count())
}

func (s *Server) wchc() string {
	var b strings.Builder
	for _, c := range s.sortedConns() {
		if paths := s.watches.nodes.conns[c]; len(paths) > 0 {
			fmt.Fprintf(&b, "0x%x\n", c.id)
			for _, path := range slices.Sorted(maps.Keys(paths)) {
				fmt.Fprintf(&b, "\t%s\n", path)
			}
		}
	}
	return b.String() + "\n"
}

func (s *Server) wchp() string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(s.watches.nodes.paths)) {
		fmt.Fprintf(&b, "%s\n", path)
		for _, c := range s.sortedConns() {
			if s.watches.nodes.has(path, c, watchAny) {
				fmt.Fprintf(&b, "\t0x%x\n", c.id)
			}
		}
	}
	return b.String() + "\n"
}
