package queue

import (
	"sync"

	"github.com/zkrecipes/zkrecipes/session"
)

// batcher puts writes that are asked for at the same time into one transaction:
// those that come while one is under way go together with the next.
type batcher struct {
	mu      sync.Mutex
	waiting map[*session.Epoch][]*job // an entry for each epoch that one is under way in
}

type job struct {
	write
	done chan struct{}
	err  error
}

// do carries out a write, as long as the epoch lasts.
func (st *store) do(ep *session.Epoch, w write) error {
	b := &st.settled
	j := &job{write: w, done: make(chan struct{})}
	b.mu.Lock()
	if b.waiting == nil {
		b.waiting = make(map[*session.Epoch][]*job)
	}
	_, busy := b.waiting[ep]
	b.waiting[ep] = append(b.waiting[ep], j)
	b.mu.Unlock()
	if !busy && !ep.Go(func() { st.doAll(ep) }) {
		st.doAll(ep) // the session is being closed, and each hears so
	}
	<-j.done
	return j.err
}

// doAll carries out writes until none waits.
func (st *store) doAll(ep *session.Epoch) {
	b := &st.settled
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
		ws := make([]write, len(jobs))
		for i, j := range jobs {
			ws[i] = j.write
		}
		for i, err := range st.apply(ep, ws...) {
			jobs[i].err = err
			close(jobs[i].done)
		}
	}
}
