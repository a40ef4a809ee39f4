package membership_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/session"
)

// What Diff says, done to the older view, gives the newer one.
func TestDiff(t *testing.T) {
	draw := func(rng *rand.Rand) (v membership.Snapshot) {
		for i := range 8 {
			if rng.IntN(2) == 0 {
				v.Members = append(v.Members, membership.Member{
					ID: fmt.Sprint(i / 2), Path: fmt.Sprint(i), // an id may be there twice
					Session: int64(rng.IntN(2)), Token: session.Zxid(rng.IntN(2)), Data: []byte{byte(rng.IntN(2))},
				})
			}
		}
		return v
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		old, now := draw(rng), draw(rng)
		joined, left, changed := now.Diff(old)
		got := map[string]membership.Member{}
		for _, m := range old.Members {
			got[m.Path] = m
		}
		for _, m := range left {
			if _, ok := got[m.Path]; !ok {
				t.Errorf("%v left, and was not there", m)
			}
			delete(got, m.Path)
		}
		for _, m := range joined {
			if _, ok := got[m.Path]; ok {
				t.Errorf("%v joined, and was there", m)
			}
			got[m.Path] = m
		}
		for _, m := range changed {
			if was, ok := got[m.Path]; !ok || cmp.Equal(was, m) {
				t.Errorf("%v changed from %v", m, was)
			}
			got[m.Path] = m
		}
		want := map[string]membership.Member{}
		for _, m := range now.Members {
			want[m.Path] = m
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("from %v to %v: joined %v, left %v, changed %v\n%s", old, now, joined, left, changed, diff)
		}
		for _, ms := range [][]membership.Member{joined, left, changed} {
			if !slices.IsSortedFunc(ms, func(a, b membership.Member) int { return strings.Compare(a.ID, b.ID) }) {
				t.Errorf("not sorted: %v", ms)
			}
		}
	}
}

func TestFirstOfNobody(t *testing.T) {
	if m, ok := (membership.Snapshot{}).First(); ok {
		t.Errorf("the first is %v", m)
	}
}
