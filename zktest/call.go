package zktest

import (
	"bufio"
	"encoding/binary"
	"io"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

func readFull(r *bufio.Reader, b []byte) (int, error) { return io.ReadFull(r, b) }

// readFrame reads n bytes. It allocates as the bytes come, so a client that announces a
// long frame and sends little of it costs little memory.
func readFrame(r *bufio.Reader, n int) ([]byte, error) {
	const step = 64 << 10
	frame := make([]byte, 0, min(n, step))
	for len(frame) < n {
		if len(frame) == cap(frame) {
			frame = append(frame, 0)[:len(frame)]
		}
		k, err := r.Read(frame[len(frame):min(n, cap(frame))])
		frame = frame[:len(frame)+k]
		if err != nil {
			return nil, err
		}
	}
	return frame, nil
}

// A call is a decoded request.
type call struct {
	hdr       wire.RequestHeader
	op        string
	path      string
	body      wire.Record // nil if the operation is unknown
	malformed bool
}

// answeredIsolated reports whether a server that is cut off from its leader answers the
// request.
func (q *call) answeredIsolated() bool {
	switch q.hdr.Op {
	case wire.OpExists, wire.OpGetData, wire.OpGetACL, wire.OpGetChildren, wire.OpGetChildren2,
		wire.OpMultiRead, wire.OpSetWatches, wire.OpSetWatches2, wire.OpCheckWatches,
		wire.OpRemoveWatches, wire.OpAddWatch, wire.OpGetEphemerals, wire.OpGetAllChildrenNumber,
		wire.OpWhoAmI, wire.OpAuth, wire.OpPing:
		return true
	}
	return false
}

// decode decodes a request. It returns an error if the server has to close the
// connection. A malformed body is not an error, because the server replies to it.
func decode(frame []byte, old bool) (*call, error) {
	d := wire.NewDecoder(frame)
	q := &call{}
	if q.hdr.Fields(d); d.Err != nil {
		return nil, d.Err
	}
	q.op, q.body = q.hdr.Op.String(), wire.NewRequest(q.hdr.Op)
	if q.hdr.Op == wire.OpReconfig {
		q.body = &reconfig{}
	}
	if q.body == nil {
		return q, nil
	}
	if old && q.hdr.Op == wire.OpDeleteContainer {
		q.body, q.path = &wire.Path{Path: string(d.Buf)}, string(d.Buf) // not a record in 3.8
		return q, nil
	}
	absent := len(d.Buf) >= 4 && int32(binary.BigEndian.Uint32(d.Buf)) == -1
	if q.body.Fields(d); d.Err != nil || absent && q.hdr.Op == wire.OpDeleteContainer {
		q.malformed = true
		return q, nil
	}
	if m, ok := q.body.(*wire.MultiRequest); ok {
		q.malformed = isMalformed(m)
	}
	q.path = pathIn(q.body)
	return q, nil
}

// pathIn returns the path of a request, or "" if it has none.
func pathIn(r wire.Record) string {
	switch r := r.(type) {
	case *wire.CreateRequest:
		return r.Path
	case *wire.PathVersion:
		return r.Path
	case *wire.PathWatch:
		return r.Path
	case *wire.SetDataRequest:
		return r.Path
	case *wire.Path:
		return r.Path
	case *wire.SetACLRequest:
		return r.Path
	case *wire.PathKind:
		return r.Path
	case *wire.MultiRequest:
		if len(r.Ops) > 0 {
			return pathIn(r.Ops[0].Body)
		}
	}
	return ""
}
