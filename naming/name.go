package naming

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zkrecipes/zkrecipes/session"
)

// checkName refuses a string that is not a name in a directory. The empty name is the
// directory itself, which cannot be bound.
func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("%w: empty name", session.ErrInvalid)
	}
	return session.CheckPath("/" + name)
}

// elements returns the parts of a name.
func elements(name string) []string {
	if name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

// prefixes returns the names that lead to name, and name itself as the last.
func prefixes(name string) []string {
	parts := elements(name)
	all := make([]string, len(parts))
	for i := range parts {
		all[i] = strings.Join(parts[:i+1], "/")
	}
	return all
}

// follow replaces the first n elements of a name, which are the name of a link, by the
// link's target.
func follow(name string, n int, target string) string {
	return strings.Join(slices.Concat(elements(target), elements(name)[n:]), "/")
}

// linkMark is the prefix of a link's data. The name of the link's target follows.
const linkMark = "zkrecipes-link:"

// target returns the target of a link. ok is false if data is not that of a link to a
// valid name.
func target(data []byte) (name string, ok bool) {
	name, ok = strings.CutPrefix(string(data), linkMark)
	return name, ok && checkName(name) == nil
}
