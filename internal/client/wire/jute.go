package wire

import (
	"encoding/binary"
	"errors"
)

// ErrShort is the error for a record that ends before its last field, or that has an
// impossible length.
var ErrShort = errors.New("wire: malformed record")

// Record is a part of a frame. Fields passes its fields in their order to a Codec, which
// encodes or decodes them.
type Record interface{ Fields(*Codec) }

// Codec encodes or decodes fields in ZooKeeper's (jute) encoding: big-endian, strings and
// buffers with their length before them. The zero Codec appends to Buf what its methods
// get. A Codec of NewDecoder takes fields from the front of Buf; the first missing field
// sets Err, and that field and all later ones are zero.
type Codec struct {
	Buf      []byte
	Err      error
	decoding bool
}

// NewDecoder returns a Codec that decodes b.
func NewDecoder(b []byte) *Codec { return &Codec{Buf: b, decoding: true} }

func (c *Codec) take(n int) []byte {
	if c.Err != nil || n < 0 || n > len(c.Buf) {
		c.fail()
		return nil
	}
	b := c.Buf[:n]
	c.Buf = c.Buf[n:]
	return b
}

func (c *Codec) fail() {
	c.Buf, c.Err = nil, ErrShort
}

// Int codes a 32-bit integer.
func (c *Codec) Int(v *int32) {
	if !c.decoding {
		c.Buf = binary.BigEndian.AppendUint32(c.Buf, uint32(*v))
	} else if b := c.take(4); b != nil {
		*v = int32(binary.BigEndian.Uint32(b))
	} else {
		*v = 0
	}
}

// Long codes a 64-bit integer.
func (c *Codec) Long(v *int64) {
	if !c.decoding {
		c.Buf = binary.BigEndian.AppendUint64(c.Buf, uint64(*v))
	} else if b := c.take(8); b != nil {
		*v = int64(binary.BigEndian.Uint64(b))
	} else {
		*v = 0
	}
}

// Bool codes one byte.
func (c *Codec) Bool(v *bool) {
	if c.decoding {
		b := c.take(1)
		*v = b != nil && b[0] != 0
		return
	}
	b := byte(0)
	if *v {
		b = 1
	}
	c.Buf = append(c.Buf, b)
}

// length codes a length. A length of -1, which stands for null, is 0 with null set.
func (c *Codec) length(v int) (n int, null bool) {
	coded := int32(v)
	c.Int(&coded)
	if coded == -1 || c.Err != nil {
		return 0, true
	}
	return int(coded), false
}

// Bytes codes a buffer. A nil buffer has the length -1.
func (c *Codec) Bytes(v *[]byte) {
	n := len(*v)
	if *v == nil {
		n = -1
	}
	n, null := c.length(n)
	if !c.decoding {
		c.Buf = append(c.Buf, *v...)
	} else if *v = nil; !null {
		*v = append([]byte{}, c.take(n)...)
	}
}

// String codes a string. A length of -1, which some clients send for null, is decoded
// as "".
func (c *Codec) String(v *string) {
	n, _ := c.length(len(*v))
	if c.decoding {
		*v = string(c.take(n))
	} else {
		c.Buf = append(c.Buf, *v...)
	}
}

// Len codes the length of a vector whose elements have at least size bytes each. It
// rejects lengths for which the input is too short, so that they cannot make the
// caller allocate more than the input.
func (c *Codec) Len(v, size int) int {
	n, _ := c.length(v)
	if c.decoding && (n < 0 || int64(n)*int64(size) > int64(len(c.Buf))) {
		c.fail()
		return 0
	}
	return n
}

// Strings codes a vector of strings. The strings that it decodes share memory: clone a
// string that is kept longer than the others.
func (c *Codec) Strings(v *[]string) {
	n := c.Len(len(*v), 4)
	if !c.decoding {
		for i := range *v {
			c.String(&(*v)[i])
		}
		return
	}
	*v = make([]string, 0, n)
	all, rest := string(c.Buf), len(c.Buf)
	for range n {
		length, _ := c.length(0)
		length = max(length, 0)
		from := rest - len(c.Buf)
		if c.take(length); c.Err != nil {
			return
		}
		*v = append(*v, all[from:from+length])
	}
}

// Frame encodes records one after the other, with their total length before them.
func Frame(records ...Record) []byte {
	c := Codec{Buf: make([]byte, 4, 128)}
	for _, r := range records {
		r.Fields(&c)
	}
	binary.BigEndian.PutUint32(c.Buf, uint32(len(c.Buf)-4))
	return c.Buf
}

// Unmarshal decodes records one after the other. Bytes after the last one are not an
// error, because newer peers add fields at the end.
func Unmarshal(b []byte, records ...Record) error {
	c := NewDecoder(b)
	for _, r := range records {
		r.Fields(c)
	}
	return c.Err
}
