package naming_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

const counter = "/app/ids/orders"

// kinds are the kinds of sequence.
var kinds = map[string][]naming.SequenceOption{
	"curator": nil,
	"decimal": {naming.WithDecimal()},
	"block":   {naming.WithBlock(7)},
	"nodes":   {naming.WithSequentialNodes()},
}

func TestNext(t *testing.T) {
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := zktest.Open(t)
			a := naming.NewSequence(target.Session(t), counter, opts...)
			b := naming.NewSequence(target.Session(t), counter, opts...)
			first := mustNext(t, a)
			if want := int64(1); name != "nodes" && first != want {
				t.Errorf("the first number is %d", first)
			}
			given := map[int64]bool{first: true}
			last := map[*naming.Sequence]int64{a: first}
			for i := range 20 {
				q := []*naming.Sequence{a, b}[i%2]
				n := mustNext(t, q)
				if given[n] {
					t.Errorf("%d was given twice", n)
				}
				if n <= last[q] {
					t.Errorf("%d came after %d", n, last[q])
				}
				given[n], last[q] = true, n
			}
		})
	}
}

// The number is written as others write it.
func TestNextLayouts(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for _, tt := range []struct {
		opts []naming.SequenceOption
		old  string
		want string
	}{
		{nil, "", "\x00\x00\x00\x00\x00\x00\x00\x01"},
		{nil, "\x00\x00\x00\x00\x00\x00\x00\xff", "\x00\x00\x00\x00\x00\x00\x01\x00"},
		{[]naming.SequenceOption{naming.WithDecimal()}, "", "1"},
		{[]naming.SequenceOption{naming.WithDecimal()}, "-3", "-2"},
		{[]naming.SequenceOption{naming.WithDecimal(), naming.WithBlock(10)}, "99", "109"},
	} {
		path := "/n-" + session.GUID()
		testkit.Create(t, s, path, tt.old, session.Parents())
		mustNext(t, naming.NewSequence(s, path, tt.opts...))
		data, _, err := s.Get(t.Context(), path)
		if err != nil || string(data) != tt.want {
			t.Errorf("%q became %q, %v, want %q", tt.old, data, err, tt.want)
		}
	}
}

func TestReserve(t *testing.T) {
	s := zktest.Open(t).Session(t)
	q := naming.NewSequence(s, counter)
	if n, err := q.Last(t.Context()); n != 0 || err != nil {
		t.Errorf("before the first number, Last is %d, %v", n, err)
	}
	first, err := q.Reserve(t.Context(), 100)
	if first != 1 || err != nil {
		t.Errorf("Reserve: %d, %v", first, err)
	}
	if n := mustNext(t, q); n != 101 {
		t.Errorf("after 100 reserved numbers came %d", n)
	}
	if n, err := q.Last(t.Context()); n != 101 || err != nil {
		t.Errorf("Last is %d, %v", n, err)
	}
	for _, n := range []int{0, -1} {
		_, err := q.Reserve(t.Context(), n)
		testkit.WantError(t, err, session.ErrInvalid)
	}
	nodes := naming.NewSequence(s, "/nodes", naming.WithSequentialNodes())
	_, err = nodes.Reserve(t.Context(), 2)
	testkit.WantError(t, err, session.ErrInvalid)
	if _, err := nodes.Reserve(t.Context(), 1); err != nil {
		t.Error(err)
	}
	_, err = nodes.Last(t.Context())
	testkit.WantError(t, err, session.ErrInvalid)
}

func TestSequenceErrors(t *testing.T) {
	s := zktest.Open(t).Session(t)
	_, err := naming.NewSequence(s, "no slash").Next(t.Context())
	testkit.WantError(t, err, session.ErrInvalid)
	testkit.Create(t, s, "/garbage", "x1", session.Parents())
	for _, opts := range [][]naming.SequenceOption{nil, {naming.WithDecimal()}} {
		_, err = naming.NewSequence(s, "/garbage", opts...).Next(t.Context())
		testkit.WantError(t, err, codec.ErrMalformed)
		var oe *session.OpError
		if !errors.As(err, &oe) || oe.Path != "/garbage" {
			t.Errorf("error %v does not say where", err)
		}
	}
	_, err = naming.NewSequence(s, "/garbage").Last(t.Context())
	testkit.WantError(t, err, codec.ErrMalformed)

	testkit.Create(t, s, "/end", fmt.Sprint(int64(math.MaxInt64-2)), session.Parents())
	end := naming.NewSequence(s, "/end", naming.WithDecimal())
	_, err = end.Reserve(t.Context(), 3)
	testkit.WantError(t, err, naming.ErrExhausted)
	if n, err := end.Reserve(t.Context(), 2); n != math.MaxInt64-1 || err != nil {
		t.Errorf("the last two numbers: %d, %v", n, err)
	}
	_, err = end.Next(t.Context())
	testkit.WantError(t, err, naming.ErrExhausted)

	if _, _, err := s.Create(t.Context(), "/ro", nil, session.ACLs(session.ACL{Perms: session.PermRead, Scheme: "world", ID: "anyone"})); err != nil {
		t.Fatal(err)
	}
	for name, opts := range kinds {
		if _, err := naming.NewSequence(s, "/ro", opts...).Next(t.Context()); !errors.Is(err, session.ErrNoAuth) {
			t.Errorf("%s where nothing may be written: %v", name, err)
		}
	}
	_, err = naming.NewSequence(s, counter, naming.WithBlock(0)).Next(t.Context())
	testkit.WantError(t, err, session.ErrInvalid)
}

// An uncontended number costs one round trip, and one in stock none.
func TestNextRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		q := naming.NewSequence(srv.Session(t), counter)
		stocked := naming.NewSequence(srv.Session(t), "/stocked", naming.WithBlock(3))
		mustNext(t, q)
		mustNext(t, stocked)
		srv.ResetRequests()
		mustNext(t, q)
		mustNext(t, stocked)
		mustNext(t, stocked)
		var ops []string
		for _, r := range srv.Requests() {
			ops = append(ops, r.Op)
		}
		if diff := cmp.Diff([]string{"multi"}, ops); diff != "" {
			t.Error(diff)
		}
	})
}

// ledger notes numbers that were given out.
type ledger struct {
	mu    sync.Mutex
	given map[int64]int
	doubt int
}

func (l *ledger) note(n int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.given == nil {
		l.given = make(map[int64]int)
	}
	if err == nil {
		l.given[n]++
	} else if errors.Is(err, session.ErrUnknown) {
		l.doubt++
	}
}

func (l *ledger) check(t testing.TB) {
	for n, times := range l.given {
		if times > 1 {
			t.Errorf("%d was given %d times", n, times)
		}
	}
}

// Curator's fault 3.1: a counter whose reply is lost counts twice. N clients count
// while every seventh reply and every eleventh request is lost, and the count is the
// number of results.
func TestLostRepliesDoNotCountTwice(t *testing.T) {
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				n := 0
				struck := map[int64]bool{} // by session; a request that fails alone twice is given up
				remove := srv.Fault(func(r zktest.Request) zktest.Fault {
					if r.Op != "multi" && r.Op != "create2" {
						return zktest.Pass
					}
					n++
					if struck[r.Session] {
						struck[r.Session] = false
						return zktest.Pass
					}
					struck[r.Session] = n%7 == 0 || n%11 == 0
					switch {
					case n%7 == 0:
						return zktest.DropReply
					case n%11 == 0:
						return zktest.Refuse
					}
					return zktest.Pass
				})
				var l ledger
				var all sync.WaitGroup
				for range 4 {
					q := naming.NewSequence(srv.Session(t), counter, opts...)
					for range 2 {
						all.Go(func() {
							for range 21 {
								n, err := q.Next(t.Context())
								if err != nil {
									t.Error(err)
								}
								l.note(n, err)
							}
						})
					}
				}
				all.Wait()
				remove()
				l.check(t)
				if len(l.given) != 168 {
					t.Errorf("168 numbers were asked for, and %d given", len(l.given))
				}
				if name == "nodes" {
					time.Sleep(time.Minute)
					if strings.Contains(srv.Tree(), "-id-") {
						t.Errorf("nodes are left:\n%s", srv.Tree())
					}
					return
				}
				last, err := naming.NewSequence(srv.Session(t), counter, opts...).Last(t.Context())
				if err != nil || last != 168 {
					t.Errorf("168 numbers were given, and the count is %d, %v", last, err)
				}
			})
		})
	}
}

// Whatever happens to any two requests, no number is given twice, and each that was
// asked for is given, or not known to have been taken.
func TestFaultsNext(t *testing.T) {
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			play := func(t *testing.T, f func(*faulttable.Run)) { faulttable.Sample(t, 3, f) }
			if name == "decimal" || name == "block" { // the same in other words
				play = func(t *testing.T, f func(*faulttable.Run)) { faulttable.Sample(t, 33, f) }
			}
			play(t, func(s *faulttable.Run) {
				var l ledger
				ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
				defer cancel()
				rival := naming.NewSequence(s.Healthy, counter, opts...)
				subject := naming.NewSequence(s.Faulty, counter, opts...)
				asked := 0
				for range 2 {
					for _, q := range []*naming.Sequence{subject, rival} {
						n, err := q.Next(ctx)
						if err != nil && !(errors.Is(err, session.ErrUnknown) && errors.Is(err, session.ErrExpired)) {
							s.Errorf("Next: %v", err)
						}
						l.note(n, err)
						asked++
					}
				}
				l.check(s)
				if len(l.given)+l.doubt != asked {
					s.Errorf("%d numbers for %d that were asked for, %d of them in doubt", len(l.given), asked, l.doubt)
				}
				if name == "curator" {
					last, err := rival.Last(ctx)
					if got := int64(len(l.given)); err != nil || last < got || last > got+int64(l.doubt) {
						s.Errorf("%d numbers were given, %d are in doubt, and the count is %d, %v", got, l.doubt, last, err)
					}
				}
			})
		})
	}
}

// If ctx is canceled while a number is being taken, the call returns immediately, and
// no other call gets that number.
func TestNextCanceled(t *testing.T) {
	for name, opts := range kinds {
		for _, fault := range []zktest.Fault{zktest.Hang, zktest.DropReply, zktest.Refuse} {
			t.Run(fmt.Sprint(name, fault), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					srv := zktest.New(t)
					s := srv.Session(t)
					q := naming.NewSequence(s, counter, opts...)
					var l ledger
					for i := range 6 {
						n := 0
						remove := srv.Fault(func(r zktest.Request) zktest.Fault {
							if n++; n == i+1 {
								return fault
							}
							if n > i+1 {
								return zktest.Hang
							}
							return zktest.Pass
						})
						start := time.Now()
						got, err := q.Next(testkit.Within(t, time.Second))
						l.note(got, err)
						if d := time.Since(start); d > time.Second {
							t.Errorf("fault at %d: Next with a context of one second took %v", i, d)
						}
						remove()
						l.note(mustNext(t, naming.NewSequence(srv.Session(t), counter, opts...)), nil)
					}
					l.check(t)
				})
			})
		}
	}
}

// Calls on one Sequence wait for each other, and a waiting call returns when its ctx
// is done, also if the server does not answer.
func TestNextTurnIsBoundedByContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		q := naming.NewSequence(srv.Session(t), counter)
		mustNext(t, q)
		heal := srv.PartitionAll()
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				start := time.Now()
				_, err := q.Next(testkit.Within(t, time.Second))
				testkit.WantError(t, err, context.DeadlineExceeded)
				if d := time.Since(start); d > time.Second {
					t.Errorf("Next with a context of one second took %v", d)
				}
			})
		}
		all.Wait()
		heal()
		mustNext(t, q)
	})
}

// Many who count at once all make progress.
func TestContendedCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		var all sync.WaitGroup
		var l ledger
		for range 20 {
			q := naming.NewSequence(srv.Session(t), counter)
			all.Go(func() {
				for range 10 {
					l.note(mustNext(t, q), nil)
				}
			})
		}
		all.Wait()
		l.check(t)
		var numbers []int64
		for n := range l.given {
			numbers = append(numbers, n)
		}
		if slices.Max(numbers) != 200 {
			t.Errorf("200 numbers were given, up to %d", slices.Max(numbers))
		}
	})
}

// The server's count ends, and so does the sequence.
func TestSequenceByNodesEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		q := naming.NewSequence(srv.Session(t), counter, naming.WithSequentialNodes())
		mustNext(t, q)
		srv.JumpSequence(counter, math.MaxInt32-1)
		if n := mustNext(t, q); n != math.MaxInt32-1 {
			t.Errorf("the last number is %d", n)
		}
		for range 3 {
			_, err := q.Next(t.Context())
			testkit.WantError(t, err, naming.ErrExhausted)
		}
	})
}

// The node of a sequence with sequential nodes, and its count, outlive the clients.
func TestSequenceByNodesIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithContainerCheck(time.Second))
		first := mustNext(t, naming.NewSequence(srv.Session(t), counter, naming.WithSequentialNodes()))
		time.Sleep(time.Hour)
		if n := mustNext(t, naming.NewSequence(srv.Session(t), counter, naming.WithSequentialNodes())); n <= first {
			t.Errorf("%d came after %d", n, first)
		}
	})
}
