package view_test

import (
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
)

// diff returns the nodes that were added, removed and changed since old, which may
// be nil, each sorted by path. A node that was deleted and created again has
// changed, even if its data is the same.
func diff(s, old *view.Snapshot) (added, removed, changed []view.Node) {
	if old == nil {
		old = &view.Snapshot{}
	}
	return view.Diff(old.Nodes, s.Nodes, func(a, b *view.Node) int { return strings.Compare(a.Path, b.Path) }, (*view.Node).Same)
}
