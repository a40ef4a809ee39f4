// Package enum converts small enumerations to names and back.
package enum

import (
	"fmt"
	"slices"
	"strings"
)

// Name returns the name of e, or "KIND N" if e has none.
func Name[E ~uint8](kind string, names []string, e E) string {
	if int(e) < len(names) {
		return names[e]
	}
	return fmt.Sprintf("%s %d", kind, uint8(e))
}

// Parse returns the value with this name. If there is none, the error wraps invalid
// and lists all names.
func Parse[E ~uint8](kind string, names []string, name string, invalid error) (E, error) {
	if i := slices.Index(names, name); i >= 0 {
		return E(i), nil
	}
	return 0, fmt.Errorf("%w: unknown %s %q (known: %s)", invalid, kind, name, strings.Join(names, ", "))
}

// Check returns an error that wraps invalid if e has no name.
func Check[E ~uint8](kind string, names []string, e E, invalid error) error {
	if int(e) < len(names) {
		return nil
	}
	return fmt.Errorf("%w: unknown %s %d", invalid, kind, uint8(e))
}
