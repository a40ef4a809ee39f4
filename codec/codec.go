package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// ErrMalformed is returned if data is not what the codec encodes. Errors of Decode
// wrap it, together with the reason if there is one.
var ErrMalformed = errors.New("codec: malformed data")

// Codec converts values to data and back. Implementations must be safe for concurrent
// use. Decode must not keep data, and the caller owns what Encode returns.
type Codec[T any] interface {
	Encode(T) ([]byte, error)
	Decode([]byte) (T, error)
}

// JSON encodes with encoding/json. Decode accepts exactly one JSON value and ignores
// keys that T does not have.
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
		var zero T // a partly filled value would look like a valid one
		return zero, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return v, nil
}

// Bytes leaves data as it is. It copies, so that the caller and the codec do not share
// a slice.
func Bytes() Codec[[]byte] { return bytesCodec{} }

type bytesCodec struct{}

func (bytesCodec) Encode(v []byte) ([]byte, error) { return append([]byte{}, v...), nil }

func (bytesCodec) Decode(data []byte) ([]byte, error) { return append([]byte{}, data...), nil }

// Text stores strings as UTF-8. Encode and Decode refuse other bytes with
// ErrMalformed.
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

// Checked adds a check to c: a value that check refuses is neither encoded nor
// decoded. The error wraps the error of check.
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
