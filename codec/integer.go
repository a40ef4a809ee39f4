package codec

import (
	"encoding/binary"
	"fmt"
)

// Int64 stores a number in eight bytes, the most significant first, as Curator's
// DistributedAtomicLong does. No data decodes as 0, as in Curator. Data of another
// length is malformed, so that a counter does not replace a value of another kind.
// Eight bytes of other data cannot be distinguished from a number.
func Int64() Codec[int64] { return int64Codec{} }

type int64Codec struct{}

func (int64Codec) Encode(v int64) ([]byte, error) {
	return binary.BigEndian.AppendUint64(nil, uint64(v)), nil
}

func (int64Codec) Decode(data []byte) (int64, error) {
	data, err := fixed(data, 8)
	if err != nil || data == nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(data)), nil
}

// Int32 stores a number in four bytes, the most significant first, as Curator's
// SharedCount and DistributedAtomicInteger do. No data decodes as 0, as in Curator.
// Data of another length is malformed. Four bytes of other data cannot be
// distinguished from a number.
func Int32() Codec[int32] { return int32Codec{} }

type int32Codec struct{}

func (int32Codec) Encode(v int32) ([]byte, error) {
	return binary.BigEndian.AppendUint32(nil, uint32(v)), nil
}

func (int32Codec) Decode(data []byte) (int32, error) {
	data, err := fixed(data, 4)
	if err != nil || data == nil {
		return 0, err
	}
	return int32(binary.BigEndian.Uint32(data)), nil
}

// fixed returns data if it has n bytes, and nil if it is empty.
func fixed(data []byte, n int) ([]byte, error) {
	switch {
	case len(data) == 0:
		return nil, nil
	case len(data) != n:
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrMalformed, len(data), n)
	}
	return data, nil
}
