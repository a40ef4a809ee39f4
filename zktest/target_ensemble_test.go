//go:build ensemble

package zktest

import "testing"

func TestOpenEnsemble(t *testing.T) {
	t.Setenv("ZKTEST", "ensemble")
	t.Cleanup(func() {
		if err := CloseShared(); err != nil {
			t.Error(err)
		}
	})
	var first *Target
	t.Run("first", func(t *testing.T) {
		first = Open(t)
		if first.Kind != RealEnsemble || first.Server != nil || first.Cluster == nil {
			t.Fatalf("with an ensemble: %+v", first)
		}
		testTarget(t, first)
		first.Cluster.Server(0).Kill()
	})
	t.Run("second", func(t *testing.T) {
		second := Open(t)
		if second.Cluster != first.Cluster {
			t.Error("the ensemble is not shared")
		}
		// The killed server runs again, and the nodes of the first test are deleted.
		c := dial(t, second.Cluster.Server(0).Addr())
		if err := c.create(first.Root()); err != nil {
			t.Errorf("create the root of the first test: %v", err)
		}
	})
}
