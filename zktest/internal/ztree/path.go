package ztree

import "strings"

// validPath reports whether a node of this path can be created or changed. The paths of
// reads are not checked: they find a node by its exact name, or none.
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

// forbidden reports whether the server refuses r in paths. The server checks UTF-16
// units: a character beyond the basic plane is a pair of surrogates, and bytes that are
// not UTF-8 are U+FFFD.
func forbidden(r rune) bool {
	return r <= 0x1f || r >= 0x7f && r <= 0x9f || r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0
}

// parentOf returns the path up to its last slash, and whether there is a slash. The
// parent of "/a" is "", which is a second name of the root.
func parentOf(path string) (string, bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 || strings.IndexByte(path, 0) >= 0 {
		return "", false
	}
	return path[:i], true
}

// nameOf returns the part of the path after the last slash.
func nameOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// WatchPath returns the path under which watches of a node are stored: "/" for the root,
// also if path is "".
func WatchPath(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// JavaUTF8 returns v as the server encodes it: every UTF-16 unit separately, so that a
// character beyond the basic plane takes six bytes.
func JavaUTF8(v string) string {
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
