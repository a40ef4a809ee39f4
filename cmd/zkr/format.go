package main

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// payload is the data of a node as JSON: value if it is text, and base64 otherwise.
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

// oneLine formats data for a line of output: unchanged if it is printable text, and
// quoted otherwise.
func oneLine(data []byte) string {
	s := string(data)
	if utf8.Valid(data) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	return strconv.Quote(s)
}

// printData prints data unchanged, and adds a newline if it does not end in one. With
// --json it prints v instead.
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

// printID prints the id of an item or a task.
func (a *app) printID(id string) error {
	return a.print(id, map[string]string{"id": id})
}

// printEach calls print for each element of a list until it returns an error.
func printEach[T any](list []T, print func(T) error) error {
	for _, v := range list {
		if err := print(v); err != nil {
			return err
		}
	}
	return nil
}

// oneWord formats an id as one word: quoted if it is not one already. Ids can come from
// any program.
func oneWord(id string) string {
	if q := strconv.Quote(id); id == "" || strings.Contains(id, " ") || q[1:len(q)-1] != id {
		return q
	}
	return id
}
