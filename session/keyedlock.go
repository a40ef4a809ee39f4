package session

import (
	"context"
	"sync"
)

// keyedLock is a mutex for each key, with a context to wait. The zero value is ready to use.
type keyedLock struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed at the unlock
}

func (k *keyedLock) lock(ctx context.Context, key string) error {
	for {
		k.mu.Lock()
		busy, ok := k.held[key]
		if !ok {
			if k.held == nil {
				k.held = make(map[string]chan struct{})
			}
			k.held[key] = make(chan struct{})
		}
		k.mu.Unlock()
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

func (k *keyedLock) unlock(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.held[key])
	delete(k.held, key)
}
