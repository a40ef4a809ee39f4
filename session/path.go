package session

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// CheckPath returns an error that wraps ErrInvalid if ZooKeeper does not allow path.
// Operations check their paths themselves.
func CheckPath(path string) error { return opError("use", path, checkPath(path)) }

// checkPath applies ZooKeeper's rules, so that a bad path is refused before it is sent:
// on some bad paths a server closes the connection.
func checkPath(path string) error {
	bad := func(why string) error { return fmt.Errorf("%w: path %q %s", ErrInvalid, path, why) }
	switch {
	case path == "":
		return bad("is empty")
	case path[0] != '/':
		return bad("does not start with /")
	case path == "/":
		return nil
	case path[len(path)-1] == '/':
		return bad("ends with /")
	case !utf8.ValidString(path):
		return bad("is not UTF-8")
	}
	for name := range strings.SplitSeq(path[1:], "/") {
		switch name {
		case "":
			return bad("has an empty element")
		case ".", "..":
			return bad("has a relative element")
		}
	}
	for _, r := range path {
		if r <= 0x1f || r >= 0x7f && r <= 0x9f || r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0 {
			return bad(fmt.Sprintf("has the character %U, which ZooKeeper does not allow", r))
		}
	}
	return nil
}

// Join returns the path of the child name of parent.
func Join(parent, name string) string {
	if parent == "/" {
		return "/" + name
	}
	return parent + "/" + name
}

// Split returns the path of the parent and the name of a node.
func Split(path string) (parent, name string) {
	i := strings.LastIndexByte(path, '/')
	if i <= 0 {
		return "/", path[i+1:]
	}
	return path[:i], path[i+1:]
}

// chroot maps paths of the session to paths of the server.
type chroot string // "" or a path

func (c chroot) abs(path string) string {
	if c == "" {
		return path
	}
	if path == "/" {
		return string(c)
	}
	return string(c) + path
}

func (c chroot) rel(path string) string {
	rest := strings.TrimPrefix(path, string(c))
	if rest == "" {
		return "/"
	}
	return rest
}
