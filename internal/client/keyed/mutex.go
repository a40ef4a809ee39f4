// Package keyed provides a mutex for each key.
package keyed

import (
	"context"
	"sync"
)

// Mutex is a mutex for each key. A wait for it ends with a context. The zero value is
// ready to use.
type Mutex struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed at the unlock
}

// Lock blocks until it holds the lock of key or ctx is done. Then it returns
// context.Cause(ctx).
func (m *Mutex) Lock(ctx context.Context, key string) error {
	for {
		m.mu.Lock()
		busy, ok := m.held[key]
		if !ok {
			if m.held == nil {
				m.held = make(map[string]chan struct{})
			}
			m.held[key] = make(chan struct{})
		}
		m.mu.Unlock()
		if !ok {
			return nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Unlock releases the lock of key.
func (m *Mutex) Unlock(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.held[key])
	delete(m.held, key)
}
