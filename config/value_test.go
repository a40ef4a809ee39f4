package config_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on whatever ZKTEST selects.

func TestOpen(t *testing.T) {
	target := zktest.Open(t)
	s, other := target.Session(t), target.Session(t)
	_, err := config.Open(t.Context(), s, path, checked)
	testkit.WantOpError(t, err, session.ErrNoNode, path)
	write(t, other, path, "nonsense")
	testkit.Sync(t, s)
	_, err = config.Open(t.Context(), s, path, checked)
	wantDecode(t, err, codec.ErrMalformed, path)
	write(t, other, path, `{"rate":-1}`)
	testkit.Sync(t, s)
	_, err = config.Open(t.Context(), s, path, checked)
	wantDecode(t, err, errNegative, path)
	write(t, other, path, `{"rate":5}`)
	_, st, err := other.Get(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Sync(t, s)
	v := open(t, s)
	if want := (config.Snapshot[limits]{Value: limits{Rate: 5}, Version: 2, Zxid: st.Mzxid}); v.Snapshot() != want || v.Load() != want.Value || v.Err() != nil {
		t.Errorf("it is %+v, %v", v.Snapshot(), v.Err())
	}
	write(t, other, path, `{"rate":6}`)
	shows(t, v, limits{Rate: 6})
	if snap := v.Snapshot(); snap.Version != 3 || snap.Zxid <= st.Mzxid {
		t.Errorf("the new version is %+v", snap)
	}
	v.Close()
	testkit.NoWatches(t, target, s)
}

func TestOpenOr(t *testing.T) {
	target := zktest.Open(t)
	s, other := target.Session(t), target.Session(t)
	fallback := limits{Rate: 1, Name: "fallback"}
	v := openOr(t, s, fallback)
	if v.Load() != fallback || v.Snapshot().Zxid != 0 || v.Err() != nil || len(v.History()) != 0 {
		t.Errorf("of no node it is %+v, %v, %v", v.Snapshot(), v.Err(), v.History())
	}
	write(t, other, path, "nonsense")
	fails(t, v, codec.ErrMalformed)
	if v.Load() != fallback {
		t.Errorf("of nonsense it is %+v", v.Load())
	}
	bad := openOr(t, s, fallback)
	wantDecode(t, bad.Err(), codec.ErrMalformed, path)
	if bad.Load() != fallback {
		t.Errorf("of nonsense it is %+v", bad.Load())
	}
	write(t, other, path, `{"rate":5}`)
	shows(t, v, limits{Rate: 5})
	shows(t, bad, limits{Rate: 5})
}

// The last good value survives bad updates and deletion, and Err says what is wrong.
func TestLastGoodValue(t *testing.T) {
	target := zktest.Open(t)
	s, other := target.Session(t), target.Session(t)
	write(t, other, path, `{"rate":5}`)
	testkit.Sync(t, s)
	v := open(t, s)
	good := v.Snapshot()
	kept := func() {
		t.Helper()
		if v.Snapshot() != good {
			t.Errorf("it is %+v", v.Snapshot())
		}
	}
	write(t, other, path, "nonsense")
	fails(t, v, codec.ErrMalformed)
	wantDecode(t, v.Err(), codec.ErrMalformed, path)
	kept()
	write(t, other, path, `{"rate":-5}`)
	fails(t, v, errNegative)
	kept()
	testkit.Delete(t, other, path)
	fails(t, v, session.ErrNoNode)
	testkit.WantOpError(t, v.Err(), session.ErrNoNode, path)
	kept()
	write(t, other, path, "nonsense")
	fails(t, v, codec.ErrMalformed)
	kept()
	write(t, other, path, `{"rate":5}`)
	testkit.Await(t, v, "the same value again", func() bool { return v.Err() == nil })
	if snap := v.Snapshot(); snap.Value != good.Value || snap.Zxid <= good.Zxid {
		t.Errorf("it is %+v", snap)
	}
}

// Curator's fault 3.21: the value is frozen after its node was deleted and created
// again, also with the same bytes in the same version.
func TestDeletedAndCreatedAgain(t *testing.T) {
	target := zktest.Open(t)
	s, other := target.Session(t), target.Session(t)
	write(t, other, path, `{"rate":42}`)
	testkit.Sync(t, s)
	v := open(t, s)
	for range 3 {
		was, changed := v.Snapshot(), v.Changed()
		if _, err := other.Txn(t.Context(), session.OpDelete(path, -1), session.OpCreate(path, []byte(`{"rate":42}`))); err != nil {
			t.Fatal(err)
		}
		<-changed
		if is := v.Snapshot(); is.Value != was.Value || is.Version != was.Version || is.Zxid <= was.Zxid || v.Err() != nil {
			t.Errorf("it was %+v, and is %+v, %v", was, is, v.Err())
		}
	}
	write(t, other, path, `{"rate":43}`)
	shows(t, v, limits{Rate: 43})
}

func TestHistory(t *testing.T) {
	s := zktest.Open(t).Session(t)
	write(t, s, path, `{"rate":0}`)
	v, last := open(t, s), open(t, s, config.WithHistory(1))
	for i := range 2 * config.DefaultHistory {
		if _, err := v.Put(t.Context(), limits{Rate: i + 1}, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		if i == config.DefaultHistory/2 {
			write(t, s, path, "nonsense") // is none
		}
	}
	h := v.History()
	if len(h) != config.DefaultHistory || h[len(h)-1] != v.Snapshot() {
		t.Errorf("the history is %+v", h)
	}
	if !slices.IsSortedFunc(h, func(a, b config.Snapshot[limits]) int {
		return a.Value.Rate - b.Value.Rate
	}) || h[0].Value.Rate != config.DefaultHistory+1 {
		t.Errorf("the history is %+v", h)
	}
	h[0] = config.Snapshot[limits]{} // is the caller's
	if v.History()[0].Zxid == 0 {
		t.Error("callers share a history")
	}
	shows(t, last, limits{Rate: 2 * config.DefaultHistory})
	if h := last.History(); len(h) != 1 || h[0] != last.Snapshot() {
		t.Errorf("a history of one: %+v", h)
	}
	_, err := config.Open(t.Context(), s, path, codec.JSON[limits](), config.WithHistory(0))
	if !errors.Is(err, session.ErrInvalid) {
		t.Error(err)
	}
}

func TestWatch(t *testing.T) {
	target := zktest.Open(t)
	s, other := target.Session(t), target.Session(t)
	write(t, other, path, `{"rate":1}`)
	testkit.Sync(t, s)
	v := open(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	steps := []struct {
		do  func()
		err error
	}{
		{func() { write(t, other, path, "nonsense") }, codec.ErrMalformed},
		{func() { write(t, other, path, `{"rate":2}`) }, nil},
		{func() { testkit.Delete(t, other, path) }, session.ErrNoNode},
		{func() { write(t, other, path, `{"rate":3}`) }, nil},
		{cancel, context.Canceled},
	}
	rates := []int{1, 2, 2, 3, 3}
	i := 0
	for snap, err := range v.Watch(ctx) {
		switch {
		case i == 0:
			if snap.Value.Rate != 1 || err != nil {
				t.Errorf("it begins with %+v, %v", snap, err)
			}
		default:
			if want := steps[i-1].err; snap.Value.Rate != rates[i-1] || !errors.Is(err, want) {
				t.Errorf("step %d: %+v, %v, want %d, %v", i, snap, err, rates[i-1], want)
			}
		}
		if i < len(steps) {
			steps[i].do()
		}
		i++
	}
	if i != len(steps)+1 {
		t.Errorf("it ended after %d", i)
	}
	for range v.Watch(t.Context()) {
		break // leaves nothing behind
	}
}

// Curator's fault 3.25: a listener that blocks stops others. And it arrives at the
// latest version, with what it has missed left out.
func TestSlowWatcherStopsNothing(t *testing.T) {
	target := zktest.Open(t)
	s, other := target.Session(t), target.Session(t)
	write(t, other, path, `{"rate":0}`)
	testkit.Sync(t, s)
	v := open(t, s)
	blocked, release, slow := make(chan struct{}), make(chan struct{}), make(chan []int)
	go func() {
		var rates []int
		for snap := range v.Watch(t.Context()) {
			if rates = append(rates, snap.Value.Rate); len(rates) == 1 {
				close(blocked)
				<-release
			}
			if snap.Value.Rate == 5 {
				break
			}
		}
		slow <- rates
	}()
	<-blocked
	for i := range 5 {
		write(t, other, path, fmt.Sprintf(`{"rate":%d}`, i+1))
		shows(t, v, limits{Rate: i + 1})
	}
	if _, err := v.Update(t.Context(), func(l limits) (limits, error) { return l, nil }); err != nil {
		t.Error(err)
	}
	close(release)
	if rates := <-slow; !slices.Equal(rates, []int{0, 5}) {
		t.Errorf("the slow one saw %v", rates)
	}
}

func TestClose(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	write(t, s, path, `{"rate":5}`)
	v := open(t, s)
	ended := make(chan error)
	go func() {
		var last error
		for _, err := range v.Watch(t.Context()) {
			last = err
		}
		ended <- last
	}()
	for range 2 {
		v.Close()
	}
	if err := <-ended; !errors.Is(err, config.ErrClosed) {
		t.Errorf("a loop ended with %v", err)
	}
	if v.Load().Rate != 5 || !errors.Is(v.Err(), config.ErrClosed) {
		t.Errorf("after Close: %+v, %v", v.Load(), v.Err())
	}
	if _, err := v.Put(t.Context(), limits{Rate: 6}, session.AnyVersion); err != nil || v.Load().Rate != 5 {
		t.Errorf("Put after Close: %+v, %v", v.Load(), err)
	}
	testkit.NoWatches(t, target, s)

	v = open(t, s)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.Await(t, v, "the end", func() bool { return errors.Is(v.Err(), session.ErrClosed) })
	if v.Load().Rate != 6 {
		t.Errorf("after the end of the session: %+v", v.Load())
	}
	if _, err := v.Update(t.Context(), func(l limits) (limits, error) { return l, nil }); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Update after the end of the session: %v", err)
	}
}

func TestNotAllowed(t *testing.T) {
	s := zktest.Open(t).Session(t)
	acl := func(p session.Perm) session.CreateOption {
		return session.ACLs(session.ACL{Perms: p, Scheme: "world", ID: "anyone"})
	}
	for path, perms := range map[string]session.Perm{"/secret": session.PermAll &^ session.PermRead, "/fixed": session.PermAll &^ session.PermWrite} {
		if _, _, err := s.Create(t.Context(), path, []byte(`{"rate":1}`), acl(perms)); err != nil {
			t.Fatal(err)
		}
	}
	defer testkit.Delete(t, s, "/secret") // who cleans up could not look whether it has children
	_, err := config.Open(context.Background(), s, "/secret", checked)
	testkit.WantOpError(t, err, session.ErrNoAuth, "/secret")
	_, err = config.OpenOr(context.Background(), s, "/secret", checked, limits{})
	testkit.WantOpError(t, err, session.ErrNoAuth, "/secret")
	v, err := config.Open(t.Context(), s, "/fixed", checked)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	_, err = v.Update(context.Background(), func(l limits) (limits, error) { return l, nil })
	testkit.WantOpError(t, err, session.ErrNoAuth, "/fixed")
	if _, _, err := s.Create(t.Context(), "/closed", nil, acl(session.PermAll&^session.PermCreate)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/closed/a", "/closed/a/b"} {
		_, err = config.Put(context.Background(), s, path, checked, limits{}, session.AnyVersion)
		if !errors.Is(err, session.ErrNoAuth) {
			t.Errorf("Put at %s: %v", path, err)
		}
	}
}

func TestBadInput(t *testing.T) {
	s := zktest.Open(t).Session(t)
	same := func(l limits) (limits, error) { return l, nil }
	for _, p := range []string{"", "a", "/a/", "/a//b", "/a/../b", "/a/\x00"} {
		_, err := config.Open(t.Context(), s, p, checked)
		testkit.WantOpError(t, err, session.ErrInvalid, p)
		_, err = config.OpenOr(t.Context(), s, p, checked, limits{})
		testkit.WantOpError(t, err, session.ErrInvalid, p)
		_, err = config.OpenTree(t.Context(), s, p, checked)
		testkit.WantOpError(t, err, session.ErrInvalid, p)
		_, err = config.Get(t.Context(), s, p, checked)
		testkit.WantOpError(t, err, session.ErrInvalid, p)
		_, err = config.Put(t.Context(), s, p, checked, limits{}, session.AnyVersion)
		testkit.WantOpError(t, err, session.ErrInvalid, p)
		_, err = config.Update(t.Context(), s, p, checked, same)
		testkit.WantOpError(t, err, session.ErrInvalid, p)
	}
	_, err := config.Put(t.Context(), s, path, codec.Bytes(), make([]byte, 1<<20), session.AnyVersion)
	testkit.WantOpError(t, err, session.ErrInvalid, path)
}

// Calls that are given up leave no watch and no goroutine.
func TestGivenUpCallsLeaveNothing(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	write(t, s, path, `{"rate":1}`)
	v := open(t, s)
	if _, err := v.Update(t.Context(), func(l limits) (limits, error) { return l, nil }); err != nil {
		t.Fatal(err)
	}
	before := goleak.IgnoreCurrent()
	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			switch i % 4 {
			case 0:
				if v, err := config.Open(ctx, s, path, checked); err == nil {
					v.Close()
				}
			case 1:
				if v, err := config.OpenTree(ctx, s, "/app", checked); err == nil {
					v.Close()
				}
			case 2:
				v.Update(ctx, func(l limits) (limits, error) { return l, nil })
			case 3:
				for range v.Watch(ctx) {
				}
			}
		}()
		time.AfterFunc(time.Duration(i%20)*50*time.Microsecond, cancel)
		<-done
	}
	v.Close()
	goleak.VerifyNone(t, before)
	testkit.NoWatches(t, target, s)
}
