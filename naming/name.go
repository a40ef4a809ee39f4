package naming

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zkrecipes/zkrecipes/session"
)

// checkName refuses what is no name of a directory. The empty name is the
// directory itself, which cannot be bound.
func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("%w: empty name", session.ErrInvalid)
	}
	return session.CheckPath("/" + name)
}

// elements are the parts of a name.
func elements(name string) []string {
	if name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

// prefixes are the names on the way to name, itself the last.
func prefixes(name string) []string {
	parts := elements(name)
	all := make([]string, len(parts))
	for i := range parts {
		all[i] = strings.Join(parts[:i+1], "/")
	}
	return all
}

// follow replaces the first n parts of a name by the target of a link that stands
// there.
func follow(name string, n int, target string) string {
	return strings.Join(slices.Concat(elements(target), elements(name)[n:]), "/")
}

// linkMark is what the data of a link begins with. The name that it leads to
// follows.
const linkMark = "zkrecipes-link:"

// target is where a link leads; ok is false if data is not that of a link to a
// possible name.
func target(data []byte) (name string, ok bool) {
	name, ok = strings.CutPrefix(string(data), linkMark)
	return name, ok && checkName(name) == nil
}
