package zktest_test

import (
	"fmt"
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// format describes a frame without the ids and times of the server.
func (p *playback) format(st step, hdr wire.ReplyHeader, body []byte) string {
	hdr.Zxid = p.relative(hdr.Zxid)
	if hdr.Xid == wire.XidNotification {
		var e wire.WatcherEvent
		if err := wire.Unmarshal(body, &e); err != nil || hdr.Err != wire.OK {
			return fmt.Sprintf("event %v %v", hdr, err)
		}
		return fmt.Sprintf("event zxid %d type %d state %d %q", hdr.Zxid, e.Type, e.State, e.Path)
	}
	head := fmt.Sprintf("%s %q zxid %d %v", st.Do, st.Path, hdr.Zxid, hdr.Err)
	if hdr.Err != wire.OK {
		return head + fmt.Sprintf(" % x", body)
	}
	var r wire.Record
	switch st.op() {
	case wire.OpCreate, wire.OpSync:
		r = &wire.Path{}
	case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		r = &wire.CreateResponse{}
	case wire.OpExists, wire.OpSetData, wire.OpSetACL:
		r = &wire.Stat{}
	case wire.OpGetData:
		r = &wire.GetDataResponse{}
	case wire.OpGetACL:
		r = &wire.GetACLResponse{}
	case wire.OpGetChildren2:
		r = &wire.ChildrenResponse{}
	case wire.OpMulti, wire.OpMultiRead:
		r = &wire.MultiResponse{}
	default:
		return head + fmt.Sprintf(" %q", body)
	}
	if err := wire.Unmarshal(body, r); err != nil {
		return head + fmt.Sprintf(" %v % x", err, body)
	}
	rest := len(body) - len(wire.Frame(r)) + 4
	p.normalize(r)
	return head + fmt.Sprintf(" %+v and %d bytes", r, rest)
}

func (p *playback) relative(zxid int64) int64 {
	if zxid > 0 {
		zxid -= p.base
	}
	return zxid
}

func (p *playback) normalize(r wire.Record) {
	switch r := r.(type) {
	case *wire.Stat:
		p.stat(r)
	case *wire.CreateResponse:
		p.stat(&r.Stat)
	case *wire.GetDataResponse:
		p.stat(&r.Stat)
	case *wire.ChildrenResponse:
		p.stat(&r.Stat)
	case *wire.GetACLResponse:
		p.stat(&r.Stat)
	case *wire.MultiResponse:
		for i := range r.Results {
			p.stat(&r.Results[i].Stat)
		}
	}
}

func (p *playback) stat(s *wire.Stat) {
	for _, z := range []*int64{&s.Czxid, &s.Mzxid, &s.Pzxid} {
		*z = p.relative(*z)
	}
	s.Ctime, s.Mtime = 0, 0
	if i := slices.Index(p.owners, s.EphemeralOwner); i >= 0 {
		s.EphemeralOwner = int64(i) + 1
	}
}
