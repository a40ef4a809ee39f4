package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
)

// object is a JSON object whose keys keep their order and whose values keep their
// bytes, so that unknown parts are written back unchanged.
type object []member

type member struct {
	key   string
	value json.RawMessage
}

var null = json.RawMessage("null")

// parseObject accepts exactly one JSON object. If a key occurs twice, the last value
// is used.
func parseObject(data []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	switch t, err := d.Token(); {
	case err == io.EOF:
		return nil, errors.New("no data")
	case err != nil:
		return nil, err
	case t != json.Delim('{'):
		return nil, errors.New("not a JSON object")
	}
	o, indexes := object{}, make(map[string]int)
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, unexpected(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, unexpected(err)
		}
		if i, twice := indexes[key.(string)]; twice {
			o[i].value = value
			continue
		}
		indexes[key.(string)] = len(o)
		o = append(o, member{key.(string), value})
	}
	if _, err := d.Token(); err != nil {
		return nil, unexpected(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more data behind the JSON object")
	}
	return o, nil
}

// unexpected replaces io.EOF, which means here that the data is truncated.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (o object) index(key string) int {
	return slices.IndexFunc(o, func(m member) bool { return m.key == key })
}

// get returns the value of a key, or nil if the key is absent or null.
func (o object) get(key string) json.RawMessage {
	if i := o.index(key); i >= 0 && !bytes.Equal(o[i].value, null) {
		return o[i].value
	}
	return nil
}

// set replaces the value of a key in its position, or appends the key.
func (o *object) set(key string, value json.RawMessage) {
	if i := o.index(key); i >= 0 {
		(*o)[i].value = value
		return
	}
	*o = append(*o, member{key, value})
}

// texts decodes an object of strings, nil if it is empty. Numbers and booleans are
// returned as they are written. A null is treated as an absent key.
func (o object) texts(key string) (map[string]string, error) {
	v := o.get(key)
	if v == nil {
		return nil, nil
	}
	p, err := parseObject(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	var m map[string]string
	for _, e := range p {
		s := string(e.value)
		switch s[0] {
		case 'n':
			continue
		case '"':
			if err := json.Unmarshal(e.value, &s); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		case '{', '[':
			return nil, fmt.Errorf("%s: %s is not a string", key, e.key)
		}
		if m == nil {
			m = make(map[string]string)
		}
		m[e.key] = s
	}
	return m, nil
}

// others returns the members whose keys are not in known.
func (o object) others(known ...string) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	for _, e := range o {
		if !slices.Contains(known, e.key) {
			if m == nil {
				m = make(map[string]json.RawMessage)
			}
			m[e.key] = e.value
		}
	}
	return m
}

// copyOthers appends the members of old whose keys are neither in o nor in known.
func (o *object) copyOthers(old object, known ...string) {
	for _, m := range *o {
		known = append(known, m.key)
	}
	for _, m := range old {
		if !slices.Contains(known, m.key) {
			*o = append(*o, m)
		}
	}
}

// setAll sets the keys of extra in o; a nil value removes the key.
func (o *object) setAll(extra map[string]json.RawMessage) {
	replaced := make(map[string]bool)
	for i, m := range *o {
		if v, ok := extra[m.key]; ok {
			(*o)[i].value, replaced[m.key] = v, true
		}
	}
	*o = slices.DeleteFunc(*o, func(m member) bool { return m.value == nil })
	for _, key := range slices.Sorted(maps.Keys(extra)) {
		if !replaced[key] && extra[key] != nil {
			*o = append(*o, member{key, extra[key]})
		}
	}
}

func (o object) encode() json.RawMessage {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, quote(m.key)...)
		b = append(b, ':')
		b = append(b, m.value...)
	}
	return append(b, '}')
}

// quote encodes a string as Java's Jackson does, which escapes less than Go.
func quote(s string) json.RawMessage {
	b := []byte{'"'}
	for i := range len(s) {
		c := s[i]
		switch e, ok := escapes[c]; {
		case ok:
			b = append(b, '\\', e)
		case c < ' ':
			b = fmt.Appendf(b, `\u%04X`, c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

var escapes = map[byte]byte{'"': '"', '\\': '\\', '\b': 'b', '\t': 't', '\n': 'n', '\f': 'f', '\r': 'r'}

func quoteAll(m map[string]string) json.RawMessage {
	o := object{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		o = append(o, member{k, quote(m[k])})
	}
	return o.encode()
}

func digits[T int | int64](n T) json.RawMessage {
	return strconv.AppendInt(nil, int64(n), 10)
}

// array encodes values as a JSON array.
func array(values [][]byte) json.RawMessage {
	return slices.Concat([]byte{'['}, bytes.Join(values, []byte{','}), []byte{']'})
}
