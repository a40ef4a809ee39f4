package queue

import (
	"encoding/binary"
	"errors"
)

// Curator's queues write a version before the items of a node, a mark and the
// length before each item, and another mark after the last one.
const (
	frameVersion = 0x00010001
	frameItem    = 0x01
	frameEnd     = 0x02
)

var errFraming = errors.New("data is not framed like the items of Curator's queues")

func frame(payloads ...[]byte) []byte {
	data := binary.BigEndian.AppendUint32(nil, frameVersion)
	for _, p := range payloads {
		data = append(data, frameItem)
		data = binary.BigEndian.AppendUint32(data, uint32(len(p)))
		data = append(data, p...)
	}
	return append(data, frameEnd)
}

// unframe returns the items of a node, at least one. As in Curator, data after the
// end mark is ignored.
func unframe(data []byte) ([][]byte, error) {
	if len(data) < 4 || binary.BigEndian.Uint32(data) != frameVersion {
		return nil, errFraming
	}
	var payloads [][]byte
	for data = data[4:]; ; {
		switch {
		case len(data) > 0 && data[0] == frameEnd && payloads != nil:
			return payloads, nil
		case len(data) < 5 || data[0] != frameItem:
			return nil, errFraming
		}
		n := binary.BigEndian.Uint32(data[1:])
		data = data[5:]
		if uint64(n) > uint64(len(data)) {
			return nil, errFraming
		}
		payloads = append(payloads, data[:n:n])
		data = data[n:]
	}
}

// pack encodes one or more items as a node's data.
func (s *layoutSpec) pack(payloads ...[]byte) []byte {
	if s.framed {
		return frame(payloads...)
	}
	return payloads[0]
}

// unpack returns the items of a node, at least one.
func (s *layoutSpec) unpack(data []byte) ([][]byte, error) {
	if s.framed {
		return unframe(data)
	}
	return [][]byte{data}, nil
}
