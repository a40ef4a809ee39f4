package systems

import (
	"slices"
	"sync"
	"testing"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/session"
)

// masters records which contenders are master, and fails the test if two are at the
// same time or if the tokens do not grow.
type masters struct {
	t       testing.TB
	elected chan string // the names of new masters

	mu        sync.Mutex
	lastToken session.Zxid
	terms     map[string]*election.Term // of the contenders that use package election
	foreign   map[string]bool           // the foreign contenders that are master
}

func newMasters(t testing.TB) *masters {
	return &masters{t: t, elected: make(chan string, 100), terms: make(map[string]*election.Term), foreign: make(map[string]bool)}
}

// checkNone checks that there is no master. The caller must hold m.mu.
func (m *masters) checkNone(name string) {
	for other, term := range m.terms {
		if term.Err() == nil {
			m.t.Errorf("%s became master while %s was", name, other)
		}
	}
	for other, leads := range m.foreign {
		if leads {
			m.t.Errorf("%s became master while the foreign %s was", name, other)
		}
	}
}

// add records that a contender has become master.
func (m *masters) add(name string, term *election.Term) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checkNone(name)
	if term.Token() <= m.lastToken {
		m.t.Errorf("token %v of %s came after %v", term.Token(), name, m.lastToken)
	}
	m.lastToken, m.terms[name] = term.Token(), term
	m.elected <- name
}

// addForeign records that a foreign contender has become master.
func (m *masters) addForeign(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checkNone(name)
	m.foreign[name] = true
	m.elected <- name
}

// removeForeign records that a foreign contender is about to resign.
func (m *masters) removeForeign(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.foreign[name] = false
}

// current returns the master and its term, or "" and nil if none of the contenders
// that use package election is master.
func (m *masters) current() (name string, term *election.Term) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, term := range m.terms {
		if term.Err() == nil {
			return name, term
		}
	}
	return "", nil
}

// awaitNew waits for a new master, which must be one of want, and returns its name.
func (m *masters) awaitNew(t testing.TB, want ...string) string {
	t.Helper()
	name := receive(t, "new master", m.elected)
	if !slices.Contains(want, name) {
		t.Errorf("%s became master, not %v", name, want)
	}
	return name
}
