package view_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// mutator changes a small tree below /d at random, and records all its states.
type mutator struct {
	*testing.T
	*rand.Rand
	session *session.Session
	nodes   map[string]string // path below /d to data
	exists  bool              // of /d
	writes  int

	mu     sync.Mutex
	states []string
}

// data is different each time.
func (m *mutator) data() []byte {
	m.writes++
	return fmt.Append(nil, m.writes)
}

// state formats the tree like text formats a snapshot.
func (m *mutator) state() string {
	if !m.exists {
		return "-"
	}
	parts := []string{""}
	for _, p := range slices.Sorted(maps.Keys(m.nodes)) {
		parts = append(parts, p+"="+m.nodes[p])
	}
	return strings.Join(parts, " ")
}

func (m *mutator) create(path string) session.Op {
	data := m.data()
	m.nodes[path] = string(data)
	return session.OpCreate("/d/"+path, data)
}

// remove deletes a node and all nodes below it; "" is the whole tree.
func (m *mutator) remove(path string) (ops []session.Op) {
	for _, p := range slices.Backward(slices.Sorted(maps.Keys(m.nodes))) {
		if p == path || path == "" || strings.HasPrefix(p, path+"/") {
			ops = append(ops, session.OpDelete("/d/"+p, -1))
			delete(m.nodes, p)
		}
	}
	return ops
}

// step is one transaction.
func (m *mutator) step() {
	top := []string{"a", "b", "c"}[m.IntN(3)]
	path := top
	if _, ok := m.nodes[top]; ok && m.IntN(2) == 0 {
		path += "/" + []string{"x", "y"}[m.IntN(2)]
	}
	_, there := m.nodes[path]
	var ops []session.Op
	switch {
	case !m.exists:
		m.exists = true
		ops = append(ops, session.OpCreate("/d", nil), m.create(top))
	case !there:
		ops = append(ops, m.create(path))
	case m.IntN(3) == 0:
		data := m.data()
		m.nodes[path] = string(data)
		ops = append(ops, session.OpSet("/d/"+path, data, -1))
	case m.IntN(3) == 0:
		ops = m.remove(path)
	case m.IntN(8) == 0:
		ops = append(m.remove(""), session.OpDelete("/d", -1))
		m.exists = false
	default: // delete and create again, perhaps with the same version and number of children
		ops = append(m.remove(path), m.create(path))
		if path == top {
			ops = append(ops, m.create(path+"/x"))
		}
	}
	m.mu.Lock()
	m.states = append(m.states, m.state()) // readers may see it before the reply arrives
	m.mu.Unlock()
	if _, err := m.session.Txn(m.Context(), ops...); err != nil {
		m.Fatal(err)
	}
}

// since returns the index of a state, from the i-th on.
func (m *mutator) since(i int, state string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := slices.Index(m.states[i:], state); n >= 0 {
		return i + n
	}
	return -1
}

// Curator's fault 3.22: caches miss changes while they are cut off. For random changes
// of the tree and losses of the connection, every snapshot is a state that the tree
// had, in order, and the last snapshot is its final state.
func TestRandomChangesAndReconnects(t *testing.T) {
	for seed := range 60 {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t)
			s, other := srv.Session(t), srv.Session(t)
			r := rand.New(rand.NewPCG(uint64(seed), 1))
			for _, op := range []string{"getData", "getChildren2", "exists"} { // the tree changes while it is read
				srv.Inject(zktest.Rule{Op: op, Delay: time.Duration(r.IntN(50)) * time.Millisecond})
			}
			m := &mutator{T: t, Rand: r, session: other, nodes: map[string]string{}, states: []string{"-"}}
			v := open(t, s, "/d", view.Options{Depth: view.Unlimited})
			done := make(chan int)
			go func() { done <- check(t, v, m) }()
			for range 30 {
				switch r.IntN(6) {
				case 0:
					heal := srv.Partition(s.Status().ID)
					for range r.IntN(4) {
						m.step()
					}
					time.Sleep(time.Duration(r.IntN(8000)) * time.Millisecond)
					heal()
				case 1:
					srv.Expire(s.Status().ID)
				}
				m.step()
				time.Sleep(time.Duration(r.IntN(3)*r.IntN(200)) * time.Millisecond)
			}
			time.Sleep(2 * time.Minute)
			if got, want := stamped(v.Snapshot()), fresh(t, other, "/d"); got != want || v.Err() != nil {
				t.Errorf("in the end it shows\n%s, not\n%s (%v)", got, want, v.Err())
			}
			v.Close()
			if n := <-done; n < 2 {
				t.Errorf("%d states seen of %d", n, len(m.states))
			}
			synctest.Wait()
			if w := srv.Watches(); len(w) > 0 {
				t.Errorf("watches left: %v", w)
			}
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// check follows the view to its end, and applies the differences of its snapshots.
func check(t *testing.T, v *view.View, m *mutator) (seen int) {
	at, shown := 0, map[string]string{}
	var last *view.Snapshot
	for snap, err := range v.Watch(t.Context()) {
		if err != nil {
			break
		}
		seen++
		i := m.since(at, text(snap))
		if i < 0 {
			t.Errorf("the tree has never been %q since state %d", text(snap), at)
			break
		}
		at = i
		added, removed, changed := diff(snap, last)
		last = snap
		for _, n := range removed {
			delete(shown, n.Path)
		}
		for _, n := range append(added, changed...) {
			shown[n.Path] = string(n.Data)
		}
		nodes := map[string]string{}
		for _, n := range snap.Nodes {
			nodes[n.Path] = string(n.Data)
		}
		if !maps.Equal(nodes, shown) {
			t.Errorf("the differences add up to %v, and it shows %v", shown, nodes)
		}
	}
	return seen
}
