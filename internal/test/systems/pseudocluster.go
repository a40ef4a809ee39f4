package systems

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// PseudoCluster writes through each server of an ensemble and reads the same data
// through the next one.
func PseudoCluster(t *testing.T, target *zktest.Target) {
	hosts := strings.Split(target.Hosts(), ",")
	if target.Kind == zktest.RealEnsemble && len(hosts) != 3 {
		t.Fatalf("the servers are %q", hosts)
	}
	for i, writer := range hosts {
		reader := hosts[(i+1)%len(hosts)]
		w, r := connectTo(t, target, writer), connectTo(t, target, reader)
		path, data := fmt.Sprint("/written-", i), fmt.Sprint("through ", writer)
		if _, _, err := w.Create(t.Context(), path, []byte(data)); err != nil {
			t.Fatal(err)
		}
		if err := r.Sync(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		if got, _, err := r.Get(t.Context(), path); err != nil || string(got) != data {
			t.Errorf("through %s there is %q (%v)", reader, got, err)
		}
	}
}
