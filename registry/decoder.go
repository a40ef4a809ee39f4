package registry

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
)

// decoder decodes values of an object, and keeps the first error. An absent or null value
// is empty.
type decoder struct {
	object object
	err    error
}

func (d *decoder) note(err error) { d.err = cmp.Or(d.err, err) }

// unmarshal decodes the value of a key, if there is one, into v. If that is not possible,
// the error is problem.
func (d *decoder) unmarshal(key string, v any, problem string) {
	if data := d.object.get(key); data != nil && json.Unmarshal(data, v) != nil {
		d.note(fmt.Errorf("%s: %s", key, problem))
	}
}

func (d *decoder) text(key string) (s string) {
	d.unmarshal(key, &s, "not a string")
	return s
}

// required decodes a text that must not be empty.
func (d *decoder) required(key string) string {
	s := d.text(key)
	if s == "" {
		d.note(fmt.Errorf("%s: missing", key))
	}
	return s
}

// flag decodes a boolean. An absent or null value is standard.
func (d *decoder) flag(key string, standard bool) bool {
	b := standard
	d.unmarshal(key, &b, "neither true nor false")
	return b
}

// number decodes a whole number, which may be quoted.
func (d *decoder) number(key string) int64 {
	v := d.object.get(key)
	if v == nil {
		return 0
	}
	n, err := strconv.ParseInt(string(bytes.Trim(v, `"`)), 10, 64)
	if err != nil {
		d.note(fmt.Errorf("%s: not a whole number", key))
	}
	return n
}

// port decodes a port number, or 0.
func (d *decoder) port(key string) int64 {
	n := d.number(key)
	if n < 0 || n > 65535 {
		d.note(fmt.Errorf("%s: %d is not a port", key, n))
	}
	return n
}

func (d *decoder) texts(key string) map[string]string {
	m, err := d.object.texts(key)
	d.note(err)
	return m
}
