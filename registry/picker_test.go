package registry_test

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func candidates(weights ...int) []registry.Candidate {
	var cs []registry.Candidate
	for i, w := range weights {
		cs = append(cs, registry.Candidate{Instance: registry.Instance{ID: fmt.Sprint("instance ", i), Weight: w}})
	}
	return cs
}

// count picks n times.
func count(p registry.Picker, cs []registry.Candidate, n int) []int {
	counts := make([]int, len(cs))
	for range n {
		counts[p(cs)]++
	}
	return counts
}

func TestRoundRobin(t *testing.T) {
	for _, test := range []struct {
		weights []int
		n       int
		want    string
	}{
		{[]int{0}, 5, "[5]"},
		{[]int{0, 0, 0}, 300, "[100 100 100]"},
		{[]int{1, 2, 5}, 800, "[100 200 500]"},
		{[]int{0, 3}, 400, "[100 300]"},
		{[]int{7, 7, 2, 1}, 170, "[70 70 20 10]"},
		{[]int{math.MaxInt32, math.MaxInt32}, 100, "[50 50]"},
	} {
		if got := fmt.Sprint(count(registry.RoundRobin(), candidates(test.weights...), test.n)); got != test.want {
			t.Errorf("weights %d: %s of %d picks, not %s", test.weights, got, test.n, test.want)
		}
	}
	p, cs := registry.RoundRobin(), candidates(1, 1, 1)
	for i := range 30 { // one after the other
		if got := p(cs); got != i%3 {
			t.Fatalf("pick %d is %d", i, got)
		}
	}
	counts := count(registry.RoundRobin(), candidates(1, math.MaxInt32), 1000)
	if counts[0] > 1 {
		t.Errorf("an instance without weight is picked %d times", counts[0])
	}
}

// Picks are spread: those of one instance do not follow each other.
func TestRoundRobinOrder(t *testing.T) {
	p, cs := registry.RoundRobin(), candidates(1, 1, 2)
	var order string
	for range 12 {
		order += fmt.Sprint(p(cs))
	}
	if want := "120212021202"; order != want {
		t.Errorf("the order is %s, not %s", order, want)
	}
}

// Curator's fault 3.25: its round robin fails after 2^31 calls.
func TestRoundRobinOverflow(t *testing.T) {
	cs := candidates(1, 3, 3)
	for _, calls := range []uint64{0, math.MaxInt32, math.MaxUint32, math.MaxInt64, math.MaxUint64 - 1000, math.MaxUint64 - 10} {
		var n atomic.Uint64
		n.Store(calls)
		counts := make([]int, 3)
		for range 7000 {
			counts[registry.Turn(cs, &n)]++
		}
		for i, want := range []int{1000, 3000, 3000} {
			if off := counts[i] - want; off < -5 || off > 5 { // the count may start again in between
				t.Errorf("after %d calls, %d of 7000", calls, counts)
			}
		}
	}
}

// Concurrent calls skip no pick.
func TestRoundRobinAtOnce(t *testing.T) {
	p, cs := registry.RoundRobin(), candidates(1, 3)
	var all sync.WaitGroup
	var mu sync.Mutex
	total := make([]int, 2)
	for range 8 {
		all.Go(func() {
			counts := count(p, cs, 1000)
			mu.Lock()
			defer mu.Unlock()
			total[0], total[1] = total[0]+counts[0], total[1]+counts[1]
		})
	}
	all.Wait()
	if total[0] != 2000 || total[1] != 6000 {
		t.Errorf("8000 picks: %d", total)
	}
}

func TestRandom(t *testing.T) {
	counts := count(registry.Random(), candidates(1, 0, 8), 20000)
	for i, want := range []int{2000, 2000, 16000} {
		if off := counts[i] - want; off*off > 40*want { // more than six standard deviations
			t.Errorf("%d of 20000 picks", counts)
			break
		}
	}
	count(registry.Random(), candidates(math.MaxInt32, math.MaxInt32, math.MaxInt32), 10)
}

func TestSticky(t *testing.T) {
	const keys = 20000
	pick := func(cs []registry.Candidate) (ids []string, counts map[string]int) {
		counts = make(map[string]int)
		for i := range keys {
			id := cs[registry.Sticky(fmt.Sprint("user ", i))(cs)].ID
			ids, counts[id] = append(ids, id), counts[id]+1
		}
		return ids, counts
	}
	ten := candidates(1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	before, counts := pick(ten)
	for id, n := range counts {
		if n < 1800 || n > 2200 {
			t.Errorf("%s has %d of %d keys", id, n, keys)
		}
	}
	after, _ := pick(ten[:9]) // one is removed, or added
	for i := range before {
		if before[i] != after[i] && before[i] != "instance 9" {
			t.Fatalf("key %d has moved from %s to %s", i, before[i], after[i])
		}
	}
	_, weighted := pick(candidates(1, 3))
	if n := weighted["instance 1"]; n < 14600 || n > 15400 {
		t.Errorf("an instance of three quarters of the weight has %d of %d keys", n, keys)
	}
	// Other processes, of other versions, agree.
	if got := registry.Sticky("user 0")(ten); got != 3 {
		t.Errorf("user 0 is at %d", got)
	}
}

func TestLeastRecentlyFailed(t *testing.T) {
	cs, p := candidates(1, 1, 1), registry.LeastRecentlyFailed()
	if got := fmt.Sprint(count(p, cs, 30)); got != "[10 10 10]" {
		t.Errorf("before any error: %s", got)
	}
	cs[0].Failed = newYear
	if got := fmt.Sprint(count(p, cs, 30)); got != "[0 15 15]" {
		t.Errorf("after one: %s", got)
	}
	cs[1].Failed, cs[2].Failed = newYear.Add(-time.Second), newYear.Add(time.Second)
	if got := fmt.Sprint(count(p, cs, 30)); got != "[0 30 0]" {
		t.Errorf("after one of each: %s", got)
	}
}

// With every picker, an instance is not picked for a while after an error, unless all
// have failed. An instance that is disabled or has no address is never picked.
func TestFailureBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		r := registry.New(s, root, registry.WithFailureBackoff(30*time.Second))
		for _, id := range []string{"a", "b", "c"} {
			register(t, r, registry.Instance{ID: id})
		}
		register(t, r, registry.Instance{ID: "d", Disabled: true})
		put(t, s, root+"/web/e", `{"name":"web"}`)
		v, err := r.Resolve(t.Context(), "web")
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		picks := func(p registry.Picker, want string) {
			t.Helper()
			counts := make(map[string]int)
			for range 30 {
				in, err := v.Pick(p)
				if err != nil {
					t.Fatal(err)
				}
				counts[in.ID]++
			}
			if got := fmt.Sprint(counts); got != want {
				t.Errorf("picked %s, not %s", got, want)
			}
		}
		all := v.Load()
		if len(all) != 4 { // e is malformed
			t.Fatalf("there are %q", ids(all))
		}
		picks(registry.RoundRobin(), "map[a:10 b:10 c:10]")
		v.NoteError(all[0])
		picks(registry.RoundRobin(), "map[b:15 c:15]")
		time.Sleep(20 * time.Second)
		v.NoteError(all[1])
		picks(registry.RoundRobin(), "map[c:30]")
		time.Sleep(time.Second)
		v.NoteError(all[2])
		picks(registry.RoundRobin(), "map[a:10 b:10 c:10]")
		picks(registry.LeastRecentlyFailed(), "map[a:30]")
		time.Sleep(9 * time.Second)
		picks(registry.RoundRobin(), "map[a:30]")
		time.Sleep(30 * time.Second)
		picks(registry.RoundRobin(), "map[a:10 b:10 c:10]")
		picks(registry.LeastRecentlyFailed(), "map[a:30]")
	})
}

func TestNothingToPick(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	r := registry.New(s, root)
	v, err := r.Resolve(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Pick(registry.Random()); !errors.Is(err, registry.ErrNoInstances) {
		t.Errorf("Pick: %v", err)
	}
	v.NoteError(registry.Instance{ID: "x"})
	g := register(t, r, registry.Instance{ID: "a"})
	for {
		changed := v.Changed()
		if in, err := v.Pick(registry.Random()); err == nil && in.ID == "a" {
			break
		}
		<-changed
	}
	if err := v.Err(); err != nil {
		t.Error(err)
	}
	v.Close()
	v.Close()
	if _, err := v.Pick(registry.Random()); !errors.Is(err, registry.ErrClosed) {
		t.Errorf("Pick after Close: %v", err)
	}
	if got := ids(v.Load()); got != "a" {
		t.Errorf("the last were %q", got)
	}
	deregister(t, g)
	testkit.NoWatches(t, target, s)
}
