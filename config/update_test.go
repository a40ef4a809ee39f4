package config_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on whatever ZKTEST selects.

func add(n int) func(limits) (limits, error) {
	return func(l limits) (limits, error) {
		l.Rate += n
		return l, nil
	}
}

// Update creates the node and what is above it, and what it has written is there
// when it returns.
func TestUpdate(t *testing.T) {
	target := zktest.Open(t)
	s, other := target.Session(t), target.Session(t)
	v := openOr(t, s, limits{Rate: 10, Name: "fallback"})
	for i := range 5 {
		if _, err := v.Update(t.Context(), add(1)); err != nil {
			t.Fatal(err)
		}
		if want := (limits{11 + i, "fallback"}); v.Load() != want || v.Snapshot().Version != int32(i) {
			t.Errorf("it is %+v, want %+v", v.Snapshot(), want)
		}
	}
	testkit.Await(t, v, "agreement", func() bool { return v.Err() == nil })
	testkit.Sync(t, other)
	stored, err := config.Get(t.Context(), other, path, checked)
	if err != nil || stored != v.Snapshot() {
		t.Errorf("what is stored is %+v, and it is %+v (%v)", stored, v.Snapshot(), err)
	}
	testkit.Delete(t, other, path)
	fails(t, v, session.ErrNoNode)
	if _, err := v.Update(t.Context(), add(1)); err != nil { // of the last good value
		t.Fatal(err)
	}
	shows(t, v, limits{16, "fallback"})
	if len(v.History()) != 6 {
		t.Errorf("the history is %+v", v.History())
	}
}

func TestUpdateIsRefused(t *testing.T) {
	s := zktest.Open(t).Session(t)
	write(t, s, path, `{"rate":5}`)
	v := open(t, s)
	before := v.Snapshot()
	failed := errors.New("failed")
	if _, err := v.Update(t.Context(), func(limits) (limits, error) { return limits{Rate: 6}, failed }); err != failed {
		t.Errorf("an error of fn comes as %v", err)
	}
	_, err := v.Update(t.Context(), add(-10))
	testkit.WantOpError(t, err, errNegative, path)
	_, err = v.Put(t.Context(), limits{Rate: -1}, session.AnyVersion)
	testkit.WantOpError(t, err, errNegative, path)
	if stored, err := config.Get(t.Context(), s, path, checked); err != nil || stored != before || v.Snapshot() != before {
		t.Errorf("what is stored is %+v (%v)", stored, err)
	}
	write(t, s, path, "nonsense")
	_, err = v.Update(t.Context(), func(l limits) (limits, error) {
		t.Errorf("fn is called with %+v", l)
		return l, nil
	})
	wantDecode(t, err, codec.ErrMalformed, path)
	if _, err := v.Put(t.Context(), limits{Rate: 6}, session.AnyVersion); err != nil { // replaces even that
		t.Fatal(err)
	}
	shows(t, v, limits{Rate: 6})
}

// oneWay encodes what it does not decode.
type oneWay struct{ codec.Codec[string] }

func (oneWay) Encode(string) ([]byte, error) { return []byte{0xff}, nil }

func TestUnreadableValueIsNotWritten(t *testing.T) {
	s := zktest.Open(t).Session(t)
	_, err := config.Put(t.Context(), s, path, oneWay{codec.Text()}, "x", session.AnyVersion)
	testkit.WantOpError(t, err, codec.ErrMalformed, path)
	if _, ok, err := s.Exists(t.Context(), path); ok || err != nil {
		t.Errorf("it is there: %v, %v", ok, err)
	}
}

// A concurrent write of another client is not overwritten: fn is called again.
func TestUpdateOutrun(t *testing.T) {
	s := zktest.Open(t).Session(t)
	rivals := []func(){
		func() { write(t, s, path, `{"rate":100}`) }, // creates the node
		func() { write(t, s, path, `{"rate":200}`) },
		func() { testkit.Delete(t, s, path) },
		func() { write(t, s, path, `{"rate":300}`) },
	}
	v := openOr(t, s, limits{Rate: 7})
	var given []int
	_, err := v.Update(t.Context(), func(l limits) (limits, error) {
		if given = append(given, l.Rate); len(given) <= len(rivals) {
			rivals[len(given)-1]()
		}
		l.Rate++
		return l, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(given) != 5 || given[0] != 7 || given[1] != 100 || given[2] != 200 || given[4] != 300 {
		t.Errorf("fn was given %v", given)
	}
	shows(t, v, limits{Rate: 301})
}

func TestUpdateConcurrently(t *testing.T) {
	target := zktest.Open(t)
	const clients, times = 8, 10
	var all sync.WaitGroup
	values := make([]*config.Value[limits], clients)
	for i := range clients {
		values[i] = openOr(t, target.Session(t), limits{})
	}
	for _, v := range values {
		all.Go(func() {
			for range times {
				before := v.Load()
				if _, err := v.Update(t.Context(), add(1)); err != nil {
					t.Error(err)
				}
				if v.Load().Rate <= before.Rate {
					t.Errorf("after an update it is %v, and was %v", v.Load(), before)
				}
			}
		})
	}
	all.Wait()
	for _, v := range values {
		shows(t, v, limits{Rate: clients * times})
	}
}

func TestPut(t *testing.T) {
	s := zktest.Open(t).Session(t)
	put := func(rate int, version int32) (config.Snapshot[limits], error) {
		return config.Put(t.Context(), s, path, checked, limits{Rate: rate}, version)
	}
	_, err := put(1, 0)
	testkit.WantOpError(t, err, session.ErrNoNode, path)
	one, err := put(1, session.AnyVersion) // creates
	if err != nil || one.Version != 0 || one.Zxid == 0 {
		t.Errorf("the first is %+v, %v", one, err)
	}
	if got, err := config.Get(t.Context(), s, path, checked); err != nil || got != one {
		t.Errorf("what is stored is %+v, and not %+v (%v)", got, one, err)
	}
	_, err = put(2, config.Absent)
	testkit.WantOpError(t, err, session.ErrNodeExists, path)
	_, err = put(2, 1)
	testkit.WantOpError(t, err, session.ErrBadVersion, path)
	two, err := put(2, one.Version)
	if err != nil || two.Version != 1 || two.Zxid <= one.Zxid {
		t.Errorf("the second is %+v, %v", two, err)
	}
	three, err := put(3, session.AnyVersion)
	if err != nil || three.Version != 2 {
		t.Errorf("the third is %+v, %v", three, err)
	}
	if got, err := config.Get(t.Context(), s, path, checked); err != nil || got != three {
		t.Errorf("what is stored is %+v, %v", got, err)
	}
	testkit.Delete(t, s, path)
	if _, err := config.Get(t.Context(), s, path, checked); !errors.Is(err, session.ErrNoNode) {
		t.Errorf("Get of no node: %v", err)
	}
	again, err := put(4, config.Absent)
	if err != nil || again.Version != 0 || again.Zxid <= three.Zxid {
		t.Errorf("put after the deletion: %+v, %v", again, err)
	}
	five, err := config.Update(t.Context(), s, path, checked, add(1))
	if err != nil || five.Value.Rate != 5 || five.Version != 1 {
		t.Errorf("updated: %+v, %v", five, err)
	}
	testkit.Delete(t, s, path)
	if one, err := config.Update(t.Context(), s, path, checked, add(1)); err != nil || one.Value.Rate != 1 {
		t.Errorf("updated from nothing: %+v, %v", one, err)
	}
}

// What a caller does to the value that it has written is its own business.
func TestPutDoesNotShare(t *testing.T) {
	s := zktest.Open(t).Session(t)
	v, err := config.OpenOr(t.Context(), s, path, codec.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	data := []byte("good")
	if _, err := v.Put(t.Context(), data, session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	copy(data, "evil")
	if string(v.Load()) != "good" {
		t.Errorf("it is %q", v.Load())
	}
}

func TestContextEnds(t *testing.T) {
	s := zktest.Open(t).Session(t)
	write(t, s, path, `{"rate":1}`)
	v := open(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	testkit.WantOpError(t, second(v.Update(ctx, add(1))), context.Canceled, path)
	testkit.WantOpError(t, second(v.Put(ctx, limits{}, session.AnyVersion)), context.Canceled, path)
	_, err := config.Open(ctx, s, path, checked)
	testkit.WantOpError(t, err, context.Canceled, path)
	if got, err := config.Get(t.Context(), s, path, checked); err != nil || got.Version != 0 {
		t.Errorf("what is stored is %+v, %v", got, err)
	}
}

// The error of a Put with another version than the node's names both versions.
func TestBadVersionNamesVersion(t *testing.T) {
	s := zktest.Open(t).Session(t)
	v, err := config.OpenOr(t.Context(), s, path, codec.Text(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	tree, err := config.OpenTree(t.Context(), s, "/app", codec.Text())
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	for i := range int32(3) {
		snap, err := v.Put(t.Context(), "v", session.AnyVersion)
		if err != nil || snap.Version != i || snap.Value != "v" || snap.Zxid == 0 {
			t.Errorf("Put returned %+v, %v", snap, err)
		}
	}
	snap, err := v.Update(t.Context(), func(old string) (string, error) { return old + "w", nil })
	if err != nil || snap.Version != 3 || snap.Value != "vw" || snap != v.Snapshot() {
		t.Errorf("Update returned %+v, %v", snap, err)
	}
	for name, put := range map[string]func() error{
		"Put":       func() error { return second(config.Put(t.Context(), s, path, codec.Text(), "x", 77)) },
		"Value.Put": func() error { return second(v.Put(t.Context(), "x", 77)) },
		"Tree.Put":  func() error { return second(tree.Put(t.Context(), strings.TrimPrefix(path, "/app/"), "x", 77)) },
	} {
		err := put()
		if want := "config: set " + path + ": bad version: want 77, node is at 3"; !errors.Is(err, session.ErrBadVersion) || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// A codec may encode a value as no data at all.
func TestUpdateToNoData(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for range 2 {
		snap, err := config.Update(t.Context(), s, path, codec.Bytes(), func([]byte) ([]byte, error) { return nil, nil })
		if err != nil || snap.Zxid == 0 || len(snap.Value) != 0 {
			t.Errorf("Update returned %+v, %v", snap, err)
		}
	}
	if got, err := config.Get(t.Context(), s, path, codec.Bytes()); err != nil || got.Version != 1 {
		t.Errorf("Get returned %+v, %v", got, err)
	}
}
