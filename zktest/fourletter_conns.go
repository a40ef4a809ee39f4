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

// operationName returns the name of an operation in the answer to cons.
func operationName(op wire.Op) string {
	switch op {
	case wire.OpPing:
		return "PING"
	case wire.OpMulti:
		return "MULT"
	case wire.OpMultiRead:
		return "MLTR"
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		return "CREA"
	case wire.OpDelete, wire.OpDeleteContainer:
		return "DELE"
	case wire.OpSetData:
		return "SETD"
	case wire.OpReconfig:
		return "RECO"
	case wire.OpSetACL:
		return "SETA"
	case wire.OpClose:
		return "CLOS"
	case wire.OpSync:
		return "SYNC"
	case wire.OpCheck:
		return "CHEC"
	case wire.OpExists:
		return "EXIS"
	case wire.OpGetData:
		return "GETD"
	case wire.OpSetWatches:
		return "SETW"
	case wire.OpSetWatches2:
		return "STW2"
	case wire.OpAddWatch:
		return "ADDW"
	case wire.OpGetACL:
		return "GETA"
	case wire.OpGetChildren, wire.OpGetChildren2:
		return "GETC"
	case wire.OpGetAllChildrenNumber:
		return "GETACN"
	case wire.OpCheckWatches:
		return "CHKW"
	case wire.OpRemoveWatches:
		return "REMW"
	case wire.OpWhoAmI:
		return "HOMI"
	case wire.OpGetEphemerals:
		return "GETE"
	}
	return "NA"
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
