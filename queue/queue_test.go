package queue_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on whatever ZKTEST selects.

func TestPushPop(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	producer, consumer := texts(target.Session(t)), texts(s)
	wantEmpty(t, consumer)
	mustPush(t, producer, "a", "b", "c")
	catchUp(t, s)
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
			v, err := consumer.Pop(soon(t))
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
		if _, err := other.Push(t.Context(), v, queue.Priority(n)); err != nil {
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

func TestClaim(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	a, b := texts(s), texts(target.Session(t))
	if _, err := a.TryClaim(t.Context()); err != queue.ErrEmpty {
		t.Errorf("TryClaim of an empty queue: %v", err)
	}
	id, err := b.Push(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	mustPush(t, b, "2")
	one := mustClaim(t, a, "1")
	if one.ID != id || one.Attempt != 1 || one.Err() != nil {
		t.Errorf("item %+v, want the id %s", one, id)
	}
	two := mustClaim(t, b, "2")
	wantEmpty(t, b)
	catchUp(t, s)
	wantEmpty(t, a)
	if _, err := a.TryClaim(t.Context()); err != queue.ErrEmpty {
		t.Errorf("TryClaim of an empty queue: %v", err)
	}
	if got := contents(t, a); got != "1(claimed) 2(claimed)" {
		t.Errorf("in the queue: %s", got)
	}
	mustNack(t, one)
	wantError(t, one.Err(), queue.ErrSettled)
	<-one.Context().Done()
	wantError(t, one.Ack(t.Context()), queue.ErrSettled)
	mustAck(t, two)
	wantError(t, two.Nack(t.Context()), queue.ErrSettled)
	one = mustClaim(t, b, "1")
	if one.Attempt != 2 {
		t.Errorf("attempt %d", one.Attempt)
	}
	mustAck(t, one)
	catchUp(t, s)
	wantEmpty(t, a)
	if n, err := a.Len(t.Context()); n != 0 || err != nil {
		t.Errorf("%d items are left, %v", n, err)
	}
	if n := target.Ephemerals(t); n > 3 { // the receipts
		t.Errorf("%d ephemeral nodes are left", n)
	}
}

// Whoever waits for a claim that somebody else gives up has it at once.
func TestNackWakesOthers(t *testing.T) {
	target := zktest.Open(t)
	a, b := texts(target.Session(t)), texts(target.Session(t))
	mustPush(t, a, "x")
	item := mustClaim(t, a, "x")
	for name, take := range map[string]func() (string, error){
		"Claim": func() (string, error) {
			item, err := b.Claim(soon(t))
			if err != nil {
				return "", err
			}
			return item.Value, item.Nack(soon(t))
		},
		"Pop": func() (string, error) { return b.Pop(soon(t)) },
	} {
		got := make(chan string)
		go func() {
			v, err := take()
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			got <- v
		}()
		mustNack(t, item)
		if v := <-got; v != "x" {
			t.Errorf("%s: %q", name, v)
		}
		if name == "Pop" {
			mustPush(t, a, "x")
		}
		item = mustClaim(t, a, "x")
	}
	mustAck(t, item)
}

// What is put back comes up again in its old place.
func TestNackKeepsPlace(t *testing.T) {
	s := zktest.Open(t).Session(t)
	q := texts(s)
	mustPush(t, q, "1", "2", "3")
	one := mustClaim(t, q, "1")
	two := mustClaim(t, q, "2")
	mustNack(t, two)
	mustNack(t, one)
	mustPop(t, q, "1", "2", "3")
}

func TestBury(t *testing.T) {
	s := zktest.Open(t).Session(t)
	q := texts(s, queue.WithID("me"))
	mustPush(t, q, "bad", "good")
	item := mustClaim(t, q, "bad")
	start := time.Now().Add(-time.Minute)
	if err := item.Bury(t.Context(), errors.New("cannot bear it")); err != nil {
		t.Fatal(err)
	}
	mustPop(t, q, "good")
	wantEmpty(t, q)
	ls := dead(t, q)
	if len(ls) != 1 || ls[0].ID != item.ID || string(ls[0].Data) != "bad" || ls[0].Reason != "cannot bear it" || ls[0].Attempts != 1 || ls[0].Since.Before(start) {
		t.Fatalf("dead letters: %+v", ls)
	}
	for _, f := range []func(string) error{
		func(id string) error { return q.Requeue(t.Context(), id) },
		func(id string) error { return q.Drop(t.Context(), id) },
	} {
		wantError(t, f("nobody"), session.ErrNoNode)
	}
	if err := q.Requeue(t.Context(), item.ID); err != nil {
		t.Fatal(err)
	}
	wantError(t, q.Requeue(t.Context(), item.ID), session.ErrNoNode)
	again := mustClaim(t, q, "bad")
	if again.ID != item.ID || again.Attempt != 1 {
		t.Errorf("item %+v", again)
	}
	if err := again.Bury(t.Context(), errors.New("still")); err != nil {
		t.Fatal(err)
	}
	if err := q.Drop(t.Context(), item.ID); err != nil {
		t.Fatal(err)
	}
	if ls := dead(t, q); len(ls) != 0 {
		t.Errorf("dead letters: %+v", ls)
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
	id, err := q.Push(t.Context(), "later", queue.NotBefore(later), queue.Priority(-7))
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

func TestMaxLen(t *testing.T) {
	target := zktest.Open(t)
	q := texts(target.Session(t), queue.WithMaxLen(3))
	mustPush(t, q, "1", "2", "3")
	if _, err := q.Push(t.Context(), "4"); err != queue.ErrFull {
		t.Errorf("Push to a full queue: %v", err)
	}
	mustPop(t, q, "1")
	ids, err := q.PushAll(t.Context(), []string{"4", "5"})
	if err != queue.ErrFull || len(ids) != 1 {
		t.Errorf("PushAll of more than fits: %v, %v", ids, err)
	}
	if got := contents(t, q); got != "2 3 4" {
		t.Errorf("in the queue: %s", got)
	}
	mustPop(t, q, "2", "3", "4")
}

// A bound is exact, however many push at the same time.
func TestMaxLenOfManyProducers(t *testing.T) {
	target := zktest.Open(t)
	const bound, producers = 10, 4
	pushed := make(chan int)
	for range producers {
		q := texts(target.Session(t), queue.WithMaxLen(bound))
		go func() {
			for n := 0; ; n++ {
				if _, err := q.Push(soon(t), "x"); err != nil {
					if err != queue.ErrFull {
						t.Error(err)
					}
					pushed <- n
					return
				}
			}
		}()
	}
	total := 0
	for range producers {
		total += <-pushed
	}
	s := target.Session(t)
	catchUp(t, s)
	n, err := texts(s).Len(t.Context())
	if total != bound || n != bound || err != nil {
		t.Errorf("pushed %d, and there are %d, %v", total, n, err)
	}
}

// The version of an item counts its claims, so that what it leads to can be made
// to depend on them.
func TestGuard(t *testing.T) {
	s := zktest.Open(t).Session(t)
	q := texts(s)
	mustPush(t, q, "x")
	item := mustClaim(t, q, "x")
	if _, err := s.Txn(t.Context(), item.Guard()); err != nil {
		t.Errorf("of a claimed item: %v", err)
	}
	mustNack(t, item)
	second := mustClaim(t, q, "x")
	_, err := s.Txn(t.Context(), item.Guard())
	wantError(t, err, session.ErrBadVersion)
	mustAck(t, second)
	_, err = s.Txn(t.Context(), second.Guard())
	wantError(t, err, session.ErrNoNode)
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
	big := strings.Repeat("x", queue.MaxSize-100)
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
