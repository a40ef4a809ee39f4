package naming

import (
	"fmt"
	"strconv"

	"github.com/zkrecipes/zkrecipes/codec"
)

// decimal encodes a number as decimal text. No data decodes as 0.
func decimal() codec.Codec[int64] { return decimalCodec{} }

type decimalCodec struct{}

func (decimalCodec) Encode(v int64) ([]byte, error) { return strconv.AppendInt(nil, v, 10), nil }

func (decimalCodec) Decode(data []byte) (int64, error) {
	if len(data) == 0 {
		return 0, nil
	}
	v, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", codec.ErrMalformed, err)
	}
	if strconv.FormatInt(v, 10) != string(data) {
		return 0, fmt.Errorf("%w: %.40q is not a plain decimal number", codec.ErrMalformed, data)
	}
	return v, nil
}
