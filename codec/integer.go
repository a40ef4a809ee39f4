package codec

import (
	"encoding/binary"
	"fmt"
)

// Int64 is eight bytes, the most significant first: the data of Curator's
// DistributedAtomicLong. As there, no data at all is 0. Data of
// any other length is malformed, so that a counter does not replace a value of another
// kind. Eight bytes of another kind cannot be told from a number.
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

// Int32 is four bytes, the most significant first: the data of Curator's
// SharedCount and DistributedAtomicInteger. As there, no data at all is 0. Data
// of any other length is malformed. Four bytes of another kind cannot be told from a
// number.
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

// fixed returns data if it has n bytes, and nil if it has none.
func fixed(data []byte, n int) ([]byte, error) {
	switch {
	case len(data) == 0:
		return nil, nil
	case len(data) != n:
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrMalformed, len(data), n)
	}
	return data, nil
}
