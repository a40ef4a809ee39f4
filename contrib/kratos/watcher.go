package kratos

import (
	"context"
	"iter"
	"sync"

	kratos "github.com/go-kratos/kratos/v2/registry"

	"github.com/zkrecipes/zkrecipes/registry"
)

// watcher is a kratos.Watcher.
type watcher struct {
	registry *registry.Registry
	service  string
	ctx      context.Context
	cancel   context.CancelFunc

	mu       sync.Mutex // guards the fields below; held during Next
	next     func() ([]registry.Instance, error, bool)
	stop     func()
	returned bool // Next has returned instances
}

func newWatcher(ctx context.Context, r *registry.Registry, service string) *watcher {
	w := &watcher{registry: r, service: service}
	w.ctx, w.cancel = context.WithCancel(ctx)
	return w
}

// Next blocks until there are instances and returns all of them; later calls block
// until the next change. After an error Next can be called again, and retries. After
// Stop the error is context.Canceled.
func (w *watcher) Next() ([]*kratos.ServiceInstance, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if err := w.ctx.Err(); err != nil {
			w.end()
			return nil, err
		}
		if w.next == nil {
			w.next, w.stop = iter.Pull2(w.registry.Follow(w.ctx, w.service))
		}
		list, err, _ := w.next()
		if err != nil {
			w.end()
			if cerr := w.ctx.Err(); cerr != nil {
				err = cerr
			}
			return nil, err
		}
		if sis := instances(list); w.returned || len(sis) > 0 {
			w.returned = true
			return sis, nil
		}
	}
}

// end stops the iteration of Next. The caller must hold w.mu.
func (w *watcher) end() {
	if w.stop != nil {
		w.stop()
	}
	w.next, w.stop = nil, nil
}

// Stop ends the watch and a blocked Next. It leaves nothing running, and may be called
// again.
func (w *watcher) Stop() error {
	w.cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end()
	return nil
}
