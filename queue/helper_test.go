package queue_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const path = "/app/queue"

// maxSize is what MaxSize returns unless the session has another MaxBuffer.
const maxSize = 1<<20 - 16<<10

// texts returns a queue of strings.
func texts(s *session.Session, opts ...queue.Option) *queue.Queue[string] {
	return queue.New(s, path, codec.Text(), opts...)
}

func mustPush(t testing.TB, q *queue.Queue[string], vs ...string) {
	t.Helper()
	for _, v := range vs {
		if _, err := q.Push(testkit.Soon(t), v); err != nil {
			t.Fatal(err)
		}
	}
}

func mustPop(t testing.TB, q *queue.Queue[string], wants ...string) {
	t.Helper()
	for _, want := range wants {
		if v, err := q.Pop(testkit.Soon(t)); err != nil || v != want {
			t.Fatalf("Pop: %q, %v, want %q", v, err, want)
		}
	}
}

func mustClaim(t testing.TB, q *queue.Queue[string], want string) *queue.Item[string] {
	t.Helper()
	item, err := q.Claim(testkit.Soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if item.Value != want {
		t.Fatalf("claimed %q, want %q", item.Value, want)
	}
	return item
}

func mustAck(t testing.TB, item *queue.Item[string]) {
	t.Helper()
	if err := item.Ack(testkit.Soon(t)); err != nil {
		t.Fatalf("Ack of %q: %v", item.Value, err)
	}
}

func mustNack(t testing.TB, item *queue.Item[string]) {
	t.Helper()
	if err := item.Nack(testkit.Soon(t)); err != nil {
		t.Fatalf("Nack of %q: %v", item.Value, err)
	}
}

func wantEmpty(t testing.TB, q *queue.Queue[string]) {
	t.Helper()
	if v, err := q.TryPop(testkit.Soon(t)); err != queue.ErrEmpty {
		t.Errorf("TryPop of an empty queue: %q, %v", v, err)
	}
}

// contents returns the values in the queue, in order.
func contents(t testing.TB, q *queue.Queue[string]) string {
	t.Helper()
	var vs []string
	for e, err := range q.All(testkit.Soon(t)) {
		switch {
		case errors.Is(err, queue.ErrCorrupt):
			e.Value = "corrupt"
		case err != nil:
			t.Fatal(err)
		case e.Claimed:
			e.Value += "(claimed)"
		}
		vs = append(vs, e.Value)
	}
	return strings.Join(vs, " ")
}

// dead returns the dead letters and their reasons.
func dead(t testing.TB, q *queue.Queue[string]) (ls []queue.DeadLetter) {
	t.Helper()
	for l, err := range q.DeadLetters(testkit.Soon(t)) {
		if err != nil {
			t.Fatal(err)
		}
		ls = append(ls, l)
	}
	return ls
}

// notes are the values that consuming functions record.
type notes[E any] struct {
	mu sync.Mutex
	es []E
}

func (l *notes[E]) add(e E) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.es = append(l.es, e)
	return len(l.es)
}

// take returns the values recorded since the last call.
func (l *notes[E]) take() (es []E) {
	l.mu.Lock()
	defer l.mu.Unlock()
	es, l.es = l.es, nil
	return es
}
