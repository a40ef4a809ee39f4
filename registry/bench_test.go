package registry_test

import (
	"fmt"
	"testing"

	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// What choosing one of 50 instances costs each call of a service.
func BenchmarkPick(b *testing.B) {
	s := zktest.New(b).Session(b)
	r := registry.New(s, root)
	for i := range 50 {
		register(b, r, registry.Instance{ID: fmt.Sprint(i), Weight: 1 + i%3})
	}
	v, err := r.Resolve(b.Context(), "web")
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	for _, bench := range []struct {
		name string
		p    registry.Picker
	}{
		{"RoundRobin", registry.RoundRobin()},
		{"Random", registry.Random()},
		{"Sticky", registry.Sticky("user 17")},
		{"LeastRecentlyFailed", registry.LeastRecentlyFailed()},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := v.Pick(bench.p); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
