package session

import "sync"

// Local returns state of s that callers in this process share: all calls with the
// same key and the same types get the same state. If there is none, create makes it.
// shared reports whether the state had users before the call.
//
// Recipes use it instead of a package variable, for example for the callers on one
// session that wait for the same lock. T must be a type of the recipe's own package,
// so that no other package gets the state. State of one epoch has the *Epoch in its
// key.
//
// create receives release, and usually stores it in the state. Each user must call it
// exactly once, when it no longer needs the state; the last call removes the state
// from s. create must not call Local or release. The users may call release while they
// hold a mutex of the state.
//
// Neither the end of an epoch nor Close removes state: its users notice both by
// themselves, and release it. Local also works on a closed session.
//
// It sends nothing.
func Local[T any, K comparable](s *Session, key K, create func(release func()) T) (state T, shared bool) {
	var k any = localKey[T, K]{key}
	l := &s.local
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.byKey[k]; ok {
		known := known.(*localState[T])
		known.users++
		return known.state, true
	}
	added := &localState[T]{users: 1}
	added.state = create(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		added.users--
		switch {
		case added.users == 0:
			delete(l.byKey, k)
		case added.users < 0:
			panic("session: state of Local was released by more users than it had")
		}
	})
	if l.byKey == nil {
		l.byKey = make(map[any]any)
	}
	l.byKey[k] = added
	return added.state, false
}

// localStates is the state that Local returns. Only the session refers to it.
type localStates struct {
	mu    sync.Mutex
	byKey map[any]any // from localKey[T, K] to *localState[T]
}

// localKey includes the types, so that equal keys of two recipes differ.
type localKey[T any, K comparable] struct{ key K }

type localState[T any] struct {
	state T
	users int
}
