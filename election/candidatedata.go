package election

import (
	"bytes"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
)

// The data of a candidate's node are lines: the id, which is all that LeaderLatch has; the
// line __REVOKE__ once the candidate was asked to step down; and what is published beside
// the id, which may itself have several lines. Curator's Revoker replaces all of it by
// __REVOKE__.

var revokeData = []byte(lease.RevokeData)

// checkID returns an error for an id that decode would not return.
func checkID(id string) error {
	switch {
	case id == "" || strings.Contains(id, "\n"):
		return ErrInvalidID
	case id == lease.RevokeData:
		return args.Invalid("the id %s is a request to step down", id)
	}
	return nil
}

// checkData returns an error for data that decode would take for a request.
func checkData(data []byte) error {
	if first, _, _ := bytes.Cut(data, []byte{'\n'}); bytes.Equal(first, revokeData) {
		return args.Invalid("the first line of the data, %s, is a request to step down", first)
	}
	return nil
}

// encode returns the data of a candidate's node. Nothing is published if data is nil.
func encode(id string, data []byte, revoked bool) []byte {
	lines := [][]byte{[]byte(id)}
	if revoked {
		lines = append(lines, revokeData)
	}
	if data != nil {
		lines = append(lines, data)
	}
	return bytes.Join(lines, []byte{'\n'})
}

// decode returns the parts of a node's data. data is nil if nothing is published.
func decode(node []byte) (id string, data []byte, revoked bool) {
	if bytes.Equal(node, revokeData) {
		return "", nil, true
	}
	first, data, published := bytes.Cut(node, []byte{'\n'})
	if line, rest, more := bytes.Cut(data, []byte{'\n'}); bytes.Equal(line, revokeData) {
		data, published, revoked = rest, more, true
	}
	if !published {
		data = nil
	}
	return string(first), data, revoked
}

// isRevoke reports whether a node's data asks its candidate to step down.
func isRevoke(node []byte) bool {
	_, _, revoked := decode(node)
	return revoked
}
