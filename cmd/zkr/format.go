package main

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// payload is the data of a node, as JSON: value if it is text, else base64.
type payload struct {
	Value  *string `json:"value,omitempty"`
	Base64 []byte  `json:"base64,omitempty"`
}

func newPayload(data []byte) payload {
	if !utf8.Valid(data) {
		return payload{Base64: data}
	}
	s := string(data)
	return payload{Value: &s}
}

// oneLine shows data within a line: as it is if it is text without breaks.
func oneLine(data []byte) string {
	s := string(data)
	if utf8.Valid(data) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	return strconv.Quote(s)
}

// printData prints data for the next program: as it is, and with a newline at its end
// unless it has one. With --json, v is printed.
func (a *app) printData(data []byte, v any) error {
	if a.json {
		return a.print("", v)
	}
	if !bytes.HasSuffix(data, []byte("\n")) {
		data = append(bytes.Clone(data), '\n')
	}
	_, err := a.stdout.Write(data)
	return err
}

// oneWord makes one word of an id, which may have been written by any program.
func oneWord(id string) string {
	if q := strconv.Quote(id); id == "" || strings.Contains(id, " ") || q[1:len(q)-1] != id {
		return q
	}
	return id
}
