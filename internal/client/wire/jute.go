package wire

import (
	"encoding/binary"
	"errors"
)

// ErrShort is the error for a record that ends before its last field, or that has an
// impossible length.
var ErrShort = errors.New("wire: malformed record")

// Record is a part of a frame.
type Record interface {
	Encode(*Encoder)
	Decode(*Decoder)
}

// Encoder appends fields in ZooKeeper's (jute) encoding: big-endian, strings and
// buffers with their length before them.
type Encoder struct{ Buf []byte }

// Int appends a 32-bit integer.
func (e *Encoder) Int(v int32) { e.Buf = binary.BigEndian.AppendUint32(e.Buf, uint32(v)) }

// Long appends a 64-bit integer.
func (e *Encoder) Long(v int64) { e.Buf = binary.BigEndian.AppendUint64(e.Buf, uint64(v)) }

// Bool appends one byte.
func (e *Encoder) Bool(v bool) {
	if v {
		e.Buf = append(e.Buf, 1)
	} else {
		e.Buf = append(e.Buf, 0)
	}
}

// Bytes appends a buffer. A nil buffer has the length -1.
func (e *Encoder) Bytes(v []byte) {
	if v == nil {
		e.Int(-1)
		return
	}
	e.Int(int32(len(v)))
	e.Buf = append(e.Buf, v...)
}

// String appends a string.
func (e *Encoder) String(v string) {
	e.Int(int32(len(v)))
	e.Buf = append(e.Buf, v...)
}

// Strings appends a vector of strings.
func (e *Encoder) Strings(v []string) {
	e.Int(int32(len(v)))
	for _, s := range v {
		e.String(s)
	}
}

// Decoder decodes fields from the front of Buf. The first missing field sets Err, and
// that field and all later ones are zero.
type Decoder struct {
	Buf []byte
	Err error
}

func (d *Decoder) take(n int) []byte {
	if d.Err != nil || n < 0 || n > len(d.Buf) {
		d.fail()
		return nil
	}
	b := d.Buf[:n]
	d.Buf = d.Buf[n:]
	return b
}

func (d *Decoder) fail() {
	if d.Err == nil {
		d.Err = ErrShort
	}
	d.Buf = nil
}

// Int decodes a 32-bit integer.
func (d *Decoder) Int() int32 {
	if b := d.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

// Long decodes a 64-bit integer.
func (d *Decoder) Long() int64 {
	if b := d.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// Bool decodes one byte.
func (d *Decoder) Bool() bool {
	b := d.take(1)
	return b != nil && b[0] != 0
}

// Bytes decodes a buffer and returns a copy. A length of -1 is nil.
func (d *Decoder) Bytes() []byte {
	n := d.Int()
	if n == -1 || d.Err != nil {
		return nil
	}
	return append([]byte{}, d.take(int(n))...)
}

// String decodes a string. A length of -1, which some clients send for null, is
// decoded as "".
func (d *Decoder) String() string {
	n := d.Int()
	if n == -1 || d.Err != nil {
		return ""
	}
	return string(d.take(int(n)))
}

// Len decodes the length of a vector whose elements have at least size bytes each. It
// rejects lengths for which the input is too short, so that they cannot make the
// caller allocate more than the input.
func (d *Decoder) Len(size int) int {
	n := d.Int()
	if n == -1 || d.Err != nil {
		return 0
	}
	if n < 0 || int64(n)*int64(size) > int64(len(d.Buf)) {
		d.fail()
		return 0
	}
	return int(n)
}

// Strings decodes a vector of strings. The strings share memory: clone a string that
// is kept longer than the others.
func (d *Decoder) Strings() []string {
	n := d.Len(4)
	v := make([]string, 0, n)
	all, rest := string(d.Buf), len(d.Buf)
	for range n {
		length := max(d.Int(), 0)
		from := rest - len(d.Buf)
		if d.take(int(length)); d.Err != nil {
			return v
		}
		v = append(v, all[from:from+int(length)])
	}
	return v
}

// Frame encodes records one after the other, with their total length before them.
func Frame(records ...Record) []byte {
	e := Encoder{Buf: make([]byte, 4, 128)}
	for _, r := range records {
		r.Encode(&e)
	}
	binary.BigEndian.PutUint32(e.Buf, uint32(len(e.Buf)-4))
	return e.Buf
}

// Unmarshal decodes records one after the other. Bytes after the last one are not an
// error, because newer peers add fields at the end.
func Unmarshal(b []byte, records ...Record) error {
	d := Decoder{Buf: b}
	for _, r := range records {
		r.Decode(&d)
	}
	return d.Err
}
