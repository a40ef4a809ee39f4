package view

// Diff returns the values of is that were added and changed since was, and those of was
// that were removed. Both lists are sorted by compare, and each has at most one value of
// a key.
func Diff[T any](was, is []T, compare func(a, b *T) int, same func(a, b *T) bool) (added, removed, changed []T) {
	for len(was) > 0 && len(is) > 0 {
		switch order := compare(&was[0], &is[0]); {
		case order < 0:
			removed, was = append(removed, was[0]), was[1:]
		case order > 0:
			added, is = append(added, is[0]), is[1:]
		default:
			if !same(&was[0], &is[0]) {
				changed = append(changed, is[0])
			}
			was, is = was[1:], is[1:]
		}
	}
	return append(added, is...), append(removed, was...), changed
}
