package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// ErrMalformed says that data is not what the codec makes. Errors of Decode wrap
// it, beside the reason if there is a better one.
var ErrMalformed = errors.New("codec: malformed data")

// Codec turns values into data and back. Implementations are safe for concurrent
// use. Decode does not keep data, and what Encode returns is the caller's.
type Codec[T any] interface {
	Encode(T) ([]byte, error)
	Decode([]byte) (T, error)
}

// JSON encodes with encoding/json. Decode wants one JSON value and nothing
// behind it; keys that T does not have are passed over.
func JSON[T any]() Codec[T] { return jsonCodec[T]{} }

type jsonCodec[T any] struct{}

func (jsonCodec[T]) Encode(v T) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("codec: %w", err)
	}
	return data, nil
}

func (jsonCodec[T]) Decode(data []byte) (T, error) {
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		var zero T // a value half filled in would pass for one
		return zero, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return v, nil
}

// Bytes leaves data as it is. It copies, so that neither side sees what the
// other does to its slice.
func Bytes() Codec[[]byte] { return bytesCodec{} }

type bytesCodec struct{}

func (bytesCodec) Encode(v []byte) ([]byte, error) { return append([]byte{}, v...), nil }

func (bytesCodec) Decode(data []byte) ([]byte, error) { return append([]byte{}, data...), nil }

// Text is UTF-8. Other bytes are malformed, in both directions.
func Text() Codec[string] { return textCodec{} }

type textCodec struct{}

func (textCodec) Encode(v string) ([]byte, error) {
	if !utf8.ValidString(v) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrMalformed)
	}
	return []byte(v), nil
}

func (textCodec) Decode(data []byte) (string, error) {
	if !utf8.Valid(data) {
		return "", fmt.Errorf("%w: not UTF-8", ErrMalformed)
	}
	return string(data), nil
}

// Checked is c with a check behind it: a value that check refuses is neither
// encoded nor decoded. The error is check's, wrapped.
func Checked[T any](c Codec[T], check func(T) error) Codec[T] {
	return checkedCodec[T]{c, check}
}

type checkedCodec[T any] struct {
	codec Codec[T]
	check func(T) error
}

func (c checkedCodec[T]) Encode(v T) ([]byte, error) {
	if err := c.check(v); err != nil {
		return nil, fmt.Errorf("codec: refused: %w", err)
	}
	return c.codec.Encode(v)
}

func (c checkedCodec[T]) Decode(data []byte) (T, error) {
	v, err := c.codec.Decode(data)
	if err == nil {
		if err = c.check(v); err == nil {
			return v, nil
		}
		err = fmt.Errorf("codec: refused: %w", err)
	}
	var zero T
	return zero, err
}
