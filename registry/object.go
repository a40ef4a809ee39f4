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
// bytes, so that what is not understood goes back as it came.
type object []member

type member struct {
	key   string
	value json.RawMessage
}

var null = json.RawMessage("null")

// parseObject wants one JSON object and nothing behind it. Of a key that comes
// twice, the last value counts.
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
	o, places := object{}, make(map[string]int)
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, unexpected(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, unexpected(err)
		}
		if i, twice := places[key.(string)]; twice {
			o[i].value = value
			continue
		}
		places[key.(string)] = len(o)
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

// unexpected says what it means that data ends in the middle.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (o object) index(key string) int {
	return slices.IndexFunc(o, func(m member) bool { return m.key == key })
}

// get returns a key's value, nil if there is none or it is null.
func (o object) get(key string) json.RawMessage {
	if i := o.index(key); i >= 0 && !bytes.Equal(o[i].value, null) {
		return o[i].value
	}
	return nil
}

// set replaces a key's value in its place, or adds it at the end.
func (o *object) set(key string, value json.RawMessage) {
	if i := o.index(key); i >= 0 {
		(*o)[i].value = value
		return
	}
	*o = append(*o, member{key, value})
}

// text, number and flag read a value of that kind. One that is absent or null is
// empty. A number may stand in quotes.
func (o object) text(key string) (s string, err error) {
	if v := o.get(key); v != nil {
		if err = json.Unmarshal(v, &s); err != nil {
			err = fmt.Errorf("%s: not a string", key)
		}
	}
	return s, err
}

func (o object) number(key string) (n int64, err error) {
	if v := o.get(key); v != nil {
		if n, err = strconv.ParseInt(string(bytes.Trim(v, `"`)), 10, 64); err != nil {
			err = fmt.Errorf("%s: not a whole number", key)
		}
	}
	return n, err
}

func (o object) flag(key string, standard bool) (b bool, err error) {
	b = standard
	if v := o.get(key); v != nil {
		if err = json.Unmarshal(v, &b); err != nil {
			err = fmt.Errorf("%s: neither true nor false", key)
		}
	}
	return b, err
}

// texts reads an object of strings, nil if it is empty. Numbers and booleans count as
// they are written, and a null as if its key were absent.
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

// others are the members with keys that are not among known, as a map.
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

// copyOthers adds what is in old under keys that are neither in o nor among known.
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

// setAll puts extra over o; nil removes a key.
func (o *object) setAll(extra map[string]json.RawMessage) {
	laid := make(map[string]bool)
	for i, m := range *o {
		if v, ok := extra[m.key]; ok {
			(*o)[i].value, laid[m.key] = v, true
		}
	}
	*o = slices.DeleteFunc(*o, func(m member) bool { return m.value == nil })
	for _, key := range slices.Sorted(maps.Keys(extra)) {
		if !laid[key] && extra[key] != nil {
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

// quote writes a string as Java's Jackson does, which escapes less than Go.
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

// array puts values into a JSON array.
func array(values []json.RawMessage) json.RawMessage {
	return slices.Concat([]byte{'['}, bytes.Join(raw(values), []byte{','}), []byte{']'})
}

func raw(values []json.RawMessage) (bs [][]byte) {
	for _, v := range values {
		bs = append(bs, v)
	}
	return bs
}
