package queue

// heap is a binary heap: its first element precedes all others.
type heap[E any] struct {
	before func(a, b E) bool
	es     []E
}

func (h *heap[E]) len() int { return len(h.es) }

func (h *heap[E]) push(e E) {
	h.es = append(h.es, e)
	i := len(h.es) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !h.before(h.es[i], h.es[up]) {
			return
		}
		h.es[i], h.es[up] = h.es[up], h.es[i]
		i = up
	}
}

func (h *heap[E]) pop() E {
	first, last := h.es[0], len(h.es)-1
	h.es[0] = h.es[last]
	var zero E
	h.es[last] = zero // so that it can be garbage-collected
	h.es = h.es[:last]
	h.down(0)
	return first
}

func (h *heap[E]) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(h.es); c++ {
			if h.before(h.es[c], h.es[least]) {
				least = c
			}
		}
		if least == i {
			return
		}
		h.es[i], h.es[least] = h.es[least], h.es[i]
		i = least
	}
}

// fill replaces all elements by es. It takes linear time.
func (h *heap[E]) fill(es []E) {
	h.es = es
	for i := len(es)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}
