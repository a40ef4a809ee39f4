package zktest

import "strings"

// validPath says whether ZooKeeper takes the path for a node to create or
// change. Reads are not checked: they find a node by its exact name, or none.
func validPath(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	if path == "/" {
		return true
	}
	for name := range strings.SplitSeq(path[1:], "/") {
		if name == "" || name == "." || name == ".." {
			return false
		}
	}
	for _, r := range path {
		if forbidden(r) {
			return false
		}
	}
	return true
}

// forbidden is the server's list, which it applies to UTF-16 units: whatever
// lies beyond the basic plane is a pair of surrogates to it, and bytes that are
// no UTF-8 arrive as U+FFFD.
func forbidden(r rune) bool {
	return r <= 0x1f || r >= 0x7f && r <= 0x9f || r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0
}

// parentOf is the path up to its last slash, and whether there is one. The
// parent of "/a" is "", under which the tree knows its root as well.
func parentOf(path string) (string, bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 || strings.IndexByte(path, 0) >= 0 {
		return "", false
	}
	return path[:i], true
}

// nameOf is what follows the last slash.
func nameOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// watchPath is the name under which watches of a node are kept.
func watchPath(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// javaUTF8 is how the server writes a string that it has read: each UTF-16 unit
// for itself, so that what lies beyond the basic plane takes six bytes.
func javaUTF8(v string) string {
	var b strings.Builder
	for _, r := range v {
		if r < 0x10000 {
			b.WriteRune(r)
			continue
		}
		for _, unit := range [...]rune{0xd800 + (r-0x10000)>>10, 0xdc00 + (r-0x10000)&0x3ff} {
			b.Write([]byte{0xe0 | byte(unit>>12), 0x80 | byte(unit>>6)&0x3f, 0x80 | byte(unit)&0x3f})
		}
	}
	return b.String()
}
