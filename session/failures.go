package session

import (
	"errors"
	"maps"
	"net"
	"slices"
	"strings"
	"syscall"
)

// failures maps each server to the latest reason why there is no connection to it.
type failures map[string]error

func (f failures) Error() string {
	var texts []string
	for _, server := range slices.Sorted(maps.Keys(f)) {
		texts = append(texts, server+": "+strings.TrimPrefix(dialErrorText(f[server]), "session: "))
	}
	return strings.Join(texts, "; ")
}

func (f failures) Unwrap() []error { return slices.Collect(maps.Values(f)) }

// dialErrorText returns the text of err, without the address if a dial failed.
func dialErrorText(err error) string {
	var dial *net.OpError
	var errno syscall.Errno
	if errors.As(err, &dial) && dial.Op == "dial" && errors.As(dial, &errno) {
		return errno.Error()
	}
	return err.Error()
}
