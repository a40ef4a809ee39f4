package queue

import (
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/recipe/batch"
	"github.com/zkrecipes/zkrecipes/session"
)

// ackBatcher combines concurrent writes in one transaction: writes that are
// requested while a transaction is in flight share the next one.
type ackBatcher struct {
	mu      sync.Mutex
	waiting map[*session.Epoch][]*pendingWrite // has a key for each epoch with a transaction in flight
}

type pendingWrite struct {
	write batch.Write
	done  chan struct{}
	err   error
}

// applyBatched carries out a write, for as long as the epoch lasts.
func (st *store) applyBatched(ep *session.Epoch, w batch.Write) error {
	b := &st.acks
	j := &pendingWrite{write: w, done: make(chan struct{})}
	b.mu.Lock()
	if b.waiting == nil {
		b.waiting = make(map[*session.Epoch][]*pendingWrite)
	}
	_, busy := b.waiting[ep]
	b.waiting[ep] = append(b.waiting[ep], j)
	b.mu.Unlock()
	if !busy && !ep.Go(func() { st.applyWaiting(ep) }) {
		st.applyWaiting(ep) // the session is being closed, and each write fails with that error
	}
	<-j.done
	return j.err
}

// applyWaiting carries out the waiting writes until there are none.
func (st *store) applyWaiting(ep *session.Epoch) {
	b := &st.acks
	for {
		b.mu.Lock()
		jobs := b.waiting[ep]
		if len(jobs) == 0 {
			delete(b.waiting, ep)
			b.mu.Unlock()
			return
		}
		b.waiting[ep] = nil
		b.mu.Unlock()
		ws := make([]batch.Write, len(jobs))
		for i, j := range jobs {
			ws[i] = j.write
		}
		for i, err := range st.apply(ep, ws...) {
			jobs[i].err = err
			close(jobs[i].done)
		}
	}
}
