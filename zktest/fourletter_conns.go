package zktest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// A lastRequest describes the last request of a connection, as cons shows it.
type lastRequest struct {
	op   string
	xid  int32 // of the last request that was not a ping; -1 for none
	zxid int64
	at   time.Duration // since the server's start
}

// noRequest is the lastRequest before the first request and after crst.
var noRequest = lastRequest{op: "NA", xid: -1, zxid: -1}

func (l *lastRequest) record(s *Server, op string, xid int32) {
	l.op, l.zxid, l.at = op, s.zxid, time.Since(s.startTime)
	if xid >= 0 {
		l.xid = xid
	}
}

// operationNames are the names of operations in the answer to cons; the others are "NA".
var operationNames = map[wire.Op]string{
	wire.OpPing: "PING", wire.OpMulti: "MULT", wire.OpMultiRead: "MLTR",
	wire.OpCreate: "CREA", wire.OpCreate2: "CREA", wire.OpCreateContainer: "CREA", wire.OpCreateTTL: "CREA",
	wire.OpDelete: "DELE", wire.OpDeleteContainer: "DELE", wire.OpSetData: "SETD", wire.OpSetACL: "SETA",
	wire.OpReconfig: "RECO", wire.OpClose: "CLOS", wire.OpSync: "SYNC", wire.OpCheck: "CHEC",
	wire.OpExists: "EXIS", wire.OpGetData: "GETD", wire.OpGetACL: "GETA", wire.OpGetEphemerals: "GETE",
	wire.OpGetChildren: "GETC", wire.OpGetChildren2: "GETC", wire.OpGetAllChildrenNumber: "GETACN",
	wire.OpSetWatches: "SETW", wire.OpSetWatches2: "STW2", wire.OpAddWatch: "ADDW",
	wire.OpCheckWatches: "CHKW", wire.OpRemoveWatches: "REMW", wire.OpWhoAmI: "HOMI",
}

// connections returns a line for each connection. The number in brackets is 0 for the
// connection that has asked, because the server does not read from it any more.
func (s *Server) connections(asker *conn, more func(*conn) string) string {
	var b strings.Builder
	for _, c := range s.sortedConns() {
		reads := 1
		if c == asker {
			reads = 0
		}
		fmt.Fprintf(&b, " /%v[%d](queued=0,recved=%d,sent=%d%s)\n", c.nc.RemoteAddr(), reads, c.received, c.sent, more(c))
	}
	return b.String()
}

// details returns the fields of a connection that cons has and stat does not.
func (c *conn) details() string {
	if c.session == nil {
		return ""
	}
	xid := ""
	if c.last.xid >= 0 {
		xid = fmt.Sprintf(",lcxid=0x%x", c.last.xid)
	}
	return fmt.Sprintf(",sid=0x%x,lop=%s,est=%d,to=%d%s,lzxid=0x%x,lresp=%d,llat=0,minlat=0,avglat=0,maxlat=0",
		c.id, c.last.op, c.established.UnixMilli(), c.timeout.Milliseconds(), xid, uint64(c.last.zxid), c.last.at.Milliseconds())
}

func (s *Server) resetConnections(*conn) string {
	for c := range s.conns {
		c.received, c.sent, c.last = 0, 0, noRequest
	}
	return "Connection stats reset.\n"
}

func (s *Server) resetServer(*conn) string {
	s.received, s.sent = 0, 0
	return "Server stats reset.\n"
}

// defaultTraceMask is the initial trace mask of a real server.
const defaultTraceMask = 306

// maskText answers gtmk and stmk. The mask has no effect.
func (s *Server) maskText(*conn) string { return strconv.FormatInt(s.traceMask, 10) }
