package inspect

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zkrecipes/zkrecipes/session"
)

// latchData matches the data of a latch: the remaining count and n.
var latchData = regexp.MustCompile(`^(0|[1-9]\d*)/([1-9]\d*)$`)

func recognizeLatch(n *node) *match {
	m := latchData.FindStringSubmatch(string(n.data))
	if !n.leaf() || m == nil {
		return nil
	}
	left, err1 := strconv.Atoi(m[1])
	total, err2 := strconv.Atoi(m[2])
	if err1 != nil || err2 != nil || left > total {
		return nil
	}
	note := fmt.Sprintf("%d of %d are counted down; waiters wait for %d more", total-left, total, left)
	if left == 0 {
		note = fmt.Sprintf("all %d are counted down; nothing waits", total)
	}
	return &match{kind: KindLatch, name: "latch", layout: "native", or: []string{"value"}, note: note, fill: fillValue}
}

const linkPrefix = "zkrecipes-link:"

func recognizeLink(n *node) *match {
	target, ok := strings.CutPrefix(string(n.data), linkPrefix)
	if !ok {
		return nil
	}
	return &match{kind: KindValue, name: "link of a directory of names", layout: "native", note: "links to the name " + target, fill: fillValue}
}

// recognizeNumber recognizes counters by their data.
func recognizeNumber(n *node) *match {
	if !n.leaf() {
		return nil
	}
	switch text := string(n.data); {
	case len(n.data) == 8 && !isText(n.data):
		return &match{kind: KindSequence, name: "counter of 8 bytes", layout: "binary", or: []string{"sequence", "DistributedAtomicLong of Curator"}, fill: fillValue}
	case len(n.data) == 4 && !isText(n.data):
		return &match{kind: KindSequence, name: "counter of 4 bytes", layout: "binary", or: []string{"SharedCount or DistributedAtomicInteger of Curator"}, fill: fillValue}
	case isDecimal(text):
		return &match{kind: KindValue, name: "number", layout: "decimal", or: []string{"value", "sequence", "Counter of Kazoo"}, fill: fillValue}
	}
	return nil
}

// recognizeValue recognizes every other node with data or without children.
func recognizeValue(n *node) *match {
	host, pid := hostAndPID(string(n.data), ":")
	switch {
	case !n.leaf() && len(n.data) == 0:
		return nil
	case !n.leaf():
		return &match{kind: KindValue, name: "value", or: []string{"name in a directory"}, fill: fillValue, open: true}
	case len(n.data) == 0 && n.stat.Owner() == 0 && n.stat.EphemeralOwner != 0:
		return &match{kind: KindFolder, name: "empty folder", note: "a container or a node with a TTL, which the servers remove"}
	case len(n.data) == 0:
		return &match{kind: KindValue, name: "empty node", or: []string{"recipe that nobody uses now", "raised barrier"}, fill: fillValue}
	case host != "" && pid > 0 || net.ParseIP(string(n.data)) != nil: // an id of ours, or Curator's default data
		return &match{kind: KindValue, name: "value", or: []string{"barrier raised by " + string(n.data)}, fill: fillValue}
	}
	return &match{kind: KindValue, name: "value", fill: fillValue}
}

func fillValue(_ context.Context, f *filler) error {
	st := f.node.stat
	f.out.Value = &Value{Version: st.Version, Size: st.DataLength, Modified: st.Mtime.UTC(), Line: dataLine(f.node.data, st), Children: len(f.node.names)}
	return nil
}

// lineLength bounds the first line of data in a report, in bytes.
const lineLength = 200

// firstLine returns the first line of text, and describes other data.
func firstLine(data []byte) string {
	switch {
	case !isText(data) && len(data) == 8:
		return strconv.FormatInt(int64(binary.BigEndian.Uint64(data)), 10)
	case !isText(data) && len(data) == 4:
		return strconv.FormatInt(int64(int32(binary.BigEndian.Uint32(data))), 10)
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		return fmt.Sprintf("(%d bytes, compressed by gzip)", len(data))
	case !isText(data):
		return fmt.Sprintf("(%d bytes, not text)", len(data))
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	if len(line) > lineLength {
		line = line[:lineLength]
		for !utf8.Valid(line) {
			line = line[:len(line)-1]
		}
		return string(line) + "…"
	}
	return strings.TrimRight(string(line), "\r")
}

// dataLine is firstLine for data that may be too large to be read.
func dataLine(data []byte, st session.Stat) string {
	if len(data) == 0 && st.DataLength > maxData {
		return fmt.Sprintf("(%d bytes, not read)", st.DataLength)
	}
	return firstLine(data)
}

// isText reports whether data is printable text.
func isText(data []byte) bool {
	return utf8.Valid(data) && bytes.IndexFunc(data, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }) < 0
}

func fillFixedNode(_ context.Context, f *filler) error {
	p := f.participant(session.Node{Path: f.node.path, Data: f.node.data, Stat: f.node.stat}, "")
	held := p.Since
	p.HeldSince = &held
	f.out.Owners, f.out.OwnerCount = []Participant{p}, 1
	return nil
}
