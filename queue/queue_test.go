package queue_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Tests run on whatever ZKTEST selects; those that need faults or virtual time, on
// an embedded server of their own.

func TestPushPop(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	producer, consumer := texts(target.Session(t)), texts(s)
	wantEmpty(t, consumer)
	mustPush(t, producer, "a", "b", "c")
	testkit.Sync(t, s)
	if n, err := consumer.Len(t.Context()); n != 3 || err != nil {
		t.Errorf("Len is %d, %v", n, err)
	}
	if v, err := consumer.TryPop(t.Context()); v != "a" || err != nil {
		t.Errorf("TryPop: %q, %v", v, err)
	}
	mustPop(t, consumer, "b", "c")
	wantEmpty(t, consumer)
	mustPush(t, producer, "")
	mustPop(t, consumer, "")
}

func TestPopWaits(t *testing.T) {
	target := zktest.Open(t)
	producer, consumer := texts(target.Session(t)), texts(target.Session(t))
	for _, v := range []string{"first ever", "second"} {
		popped := make(chan string)
		go func() {
			v, err := consumer.Pop(testkit.Soon(t))
			if err != nil {
				t.Error(err)
			}
			popped <- v
		}()
		mustPush(t, producer, v)
		if got := <-popped; got != v {
			t.Errorf("popped %q, want %q", got, v)
		}
	}
}

func TestPriorities(t *testing.T) {
	s := zktest.Open(t).Session(t)
	q, other := texts(s), texts(s)
	push := func(v string, n int) {
		if _, err := other.Push(t.Context(), v, queue.WithPriority(n)); err != nil {
			t.Fatal(err)
		}
	}
	push("5a", 5)
	push("5b", 5)
	push("0a", 0)
	push("-1", -1)
	mustPop(t, q, "-1", "0a")
	push("min", -1<<31)
	push("max", 1<<31-1)
	push("5c", 5)
	mustPop(t, q, "min", "5a") // though 5a was known before min was pushed
	push("4", 4)
	mustPop(t, q, "4", "5b", "5c", "max")
	wantEmpty(t, q)
}

func TestPushAllPopN(t *testing.T) {
	s := zktest.Open(t).Session(t)
	q := texts(s)
	var vs []string
	for i := range 250 {
		vs = append(vs, fmt.Sprint(i))
	}
	ids, err := q.PushAll(t.Context(), vs)
	if err != nil || len(ids) != len(vs) {
		t.Fatalf("PushAll: %d ids, %v", len(ids), err)
	}
	var got []string
	for e, err := range q.All(t.Context()) {
		if err != nil || e.ID != ids[len(got)] {
			t.Fatalf("item %d has the id %s, %v, want %s", len(got), e.ID, err, ids[len(got)])
		}
		got = append(got, e.Value)
	}
	if diff := cmp.Diff(vs, got); diff != "" {
		t.Error(diff)
	}
	got = nil
	for {
		some, err := q.TryPopN(t.Context(), 70)
		if err == queue.ErrEmpty {
			break
		}
		if err != nil || len(some) == 0 || len(some) > 70 {
			t.Fatalf("TryPopN: %d, %v", len(some), err)
		}
		got = append(got, some...)
	}
	if diff := cmp.Diff(vs, got); diff != "" {
		t.Error(diff)
	}
	if ids, err := q.PushAll(t.Context(), nil); len(ids) != 0 || err != nil {
		t.Errorf("PushAll of nothing: %v, %v", ids, err)
	}
	mustPush(t, q, "one")
	if some, err := q.PopN(t.Context(), 100); err != nil || len(some) != 1 {
		t.Errorf("PopN: %q, %v", some, err)
	}
}

func TestPeekAndAll(t *testing.T) {
	s := zktest.Open(t).Session(t)
	q := texts(s, queue.WithID("somebody"))
	if _, err := q.Peek(t.Context()); err != queue.ErrEmpty {
		t.Errorf("Peek of an empty queue: %v", err)
	}
	if got := contents(t, q); got != "" {
		t.Errorf("in the empty queue: %s", got)
	}
	later := time.Now().Add(time.Hour).Round(time.Millisecond)
	id, err := q.Push(t.Context(), "later", queue.WithNotBefore(later), queue.WithPriority(-7))
	if err != nil {
		t.Fatal(err)
	}
	mustPush(t, q, "a", "b")
	item := mustClaim(t, q, "a")
	if v, err := q.Peek(t.Context()); v != "b" || err != nil {
		t.Errorf("Peek: %q, %v", v, err)
	}
	var got []queue.Entry[string]
	for e, err := range q.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if time.Since(e.Pushed).Abs() > time.Hour {
			t.Errorf("%s was pushed at %v", e.Value, e.Pushed)
		}
		e.Pushed = time.Time{}
		got = append(got, e)
	}
	want := []queue.Entry[string]{
		{ID: id, Value: "later", Priority: -7, NotBefore: later},
		{ID: item.ID, Value: "a", Attempts: 1, Claimed: true, Claimant: "somebody"},
		{ID: got[2].ID, Value: "b"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for range q.All(t.Context()) {
		break
	}
	mustAck(t, item)
	mustPop(t, q, "b")
	wantEmpty(t, q)
}

func TestValues(t *testing.T) {
	type job struct {
		Name string
		N    int
	}
	s := zktest.Open(t).Session(t)
	q := queue.New(s, path, codec.JSON[job]())
	if _, err := q.Push(t.Context(), job{"a", 1}); err != nil {
		t.Fatal(err)
	}
	if v, err := q.Pop(t.Context()); v != (job{"a", 1}) || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	big := strings.Repeat("x", maxSize-100)
	bytes := texts(s)
	mustPush(t, bytes, big)
	item := mustClaim(t, bytes, big) // there is room for the claim
	if err := item.Bury(t.Context(), errors.New(strings.Repeat("long", 4000))); err != nil {
		t.Fatal(err)
	}
	if err := bytes.Requeue(t.Context(), item.ID); err != nil {
		t.Fatal(err)
	}
	mustPop(t, bytes, big)
}
