package batch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/recipe/batch"
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// creates returns a write for each path that creates a node.
func creates(paths ...string) (ws []batch.Write) {
	for _, path := range paths {
		var w batch.Write
		w.Create(path, nil)
		ws = append(ws, w)
	}
	return ws
}

func paths(dir string, n int) (ps []string) {
	for i := range n {
		ps = append(ps, fmt.Sprintf("%s/%d", dir, i))
	}
	return ps
}

// apply calls Apply and returns the number of its transactions as well.
func apply(s *session.Session, ws []batch.Write, l batch.Limits, repair func(refusal.Refusal) (bool, error)) (errs []error, txns int) {
	errs = batch.Apply(ws, l, func(ops []session.Op) error {
		txns++
		_, err := s.Txn(context.Background(), ops...)
		return err
	}, repair)
	return errs, txns
}

// Each write that the servers refuse fails alone, wherever it is, and the others are
// carried out.
func TestRefusedWritesFailAlone(t *testing.T) {
	for _, exists := range [][]int{nil, {0}, {9}, {4}, {5}, {3, 4}, {0, 4, 5, 9}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}} {
		t.Run(fmt.Sprint(exists), func(t *testing.T) {
			s := zktest.New(t).Session(t)
			mustCreate(t, s, "/a")
			ps := paths("/a", 10)
			for _, i := range exists {
				mustCreate(t, s, ps[i])
			}
			errs, txns := apply(s, creates(ps...), batch.Limits{Writes: 5, Bytes: 1000}, nil)
			for i, err := range errs {
				if want := slices.Contains(exists, i); want != errors.Is(err, session.ErrNodeExists) || !want && err != nil {
					t.Errorf("write %d: %v", i, err)
				}
				if _, ok, err := s.Exists(t.Context(), ps[i]); !ok {
					t.Errorf("%s does not exist (%v)", ps[i], err)
				}
			}
			if most := 2 + len(exists); txns > most {
				t.Errorf("%d transactions, want at most %d", txns, most)
			}
		})
	}
}

// A write of several operations is carried out completely or not at all.
func TestWriteIsAtomic(t *testing.T) {
	s := zktest.New(t).Session(t)
	mustCreate(t, s, "/a")
	mustCreate(t, s, "/a/other")
	ws := make([]batch.Write, 2)
	ws[0].Create("/a/new", nil)
	ws[0].Check("/a/other", 7)
	ws[1].Check("/a", session.AnyVersion)
	ws[1].Set("/a/other", []byte("x"), 0)
	errs, _ := apply(s, ws, batch.Limits{Writes: 10, Bytes: 1000}, nil)
	testkit.WantError(t, errs[0], session.ErrBadVersion)
	if errs[1] != nil {
		t.Error(errs[1])
	}
	if _, ok, _ := s.Exists(t.Context(), "/a/new"); ok {
		t.Error("/a/new exists")
	}
}

// An error that concerns no single write is the error of its transaction only, and
// nothing is sent again.
func TestErrorOfTransaction(t *testing.T) {
	down := errors.New("down")
	for _, failure := range []error{
		down,
		&session.OpError{Op: "check", Path: "/guard", Err: session.ErrBadVersion},
		&session.OpError{Op: "create", Path: "/a/1", Err: fmt.Errorf("%w: %w", session.ErrUnknown, session.ErrNoNode)},
	} {
		txns := 0
		errs := batch.Apply(creates(paths("/a", 6)...), batch.Limits{Writes: 2, Bytes: 1000}, func([]session.Op) error {
			if txns++; txns == 2 {
				return failure
			}
			return nil
		}, nil)
		if want := []error{nil, nil, failure, failure, nil, nil}; !slices.Equal(errs, want) || txns != 3 {
			t.Errorf("%v after %d transactions, want %v", errs, txns, want)
		}
	}
}

// After a repair the same writes are sent again. If the repair fails, the refused
// write has its error, and the others are carried out.
func TestRepair(t *testing.T) {
	s := zktest.New(t).Session(t)
	mustCreate(t, s, "/c")
	denied := errors.New("denied")
	repair := func(r refusal.Refusal) (bool, error) {
		switch dir, _ := session.Split(r.Path); {
		case r.Reason != session.ErrNoNode:
			return false, nil
		case dir == "/b":
			return false, denied
		default:
			mustCreate(t, s, dir)
			return true, nil
		}
	}
	errs, txns := apply(s, creates("/a/1", "/b/1", "/c", "/a/2"), batch.Limits{Writes: 10, Bytes: 1000}, repair)
	if errs[0] != nil || errs[1] != denied || !errors.Is(errs[2], session.ErrNodeExists) || errs[3] != nil || txns != 4 {
		t.Errorf("%v after %d transactions", errs, txns)
	}
}

// Transactions have no more writes and bytes than the limits, except one write that
// is larger.
func TestLimits(t *testing.T) {
	ws := creates("/a/1", "/a/2", "/a/3", "/a/4")
	ws[1].Append(creates("/a/with-a-longer-name")[0])
	for _, test := range []struct {
		limits batch.Limits
		want   []int
	}{
		{batch.Limits{Writes: 3, Bytes: 1000}, []int{4, 1}},
		{batch.Limits{Writes: 1, Bytes: 1000}, []int{1, 2, 1, 1}},
		{batch.Limits{Writes: 10, Bytes: 8}, []int{1, 2, 2}},
		{batch.Limits{Writes: 10, Bytes: 0}, []int{1, 2, 1, 1}},
	} {
		var got []int
		batch.Apply(ws, test.limits, func(ops []session.Op) error {
			got = append(got, len(ops))
			return nil
		}, nil)
		if !slices.Equal(got, test.want) {
			t.Errorf("%+v: transactions of %v operations, want %v", test.limits, got, test.want)
		}
	}
	if errs := batch.Apply(nil, batch.Limits{Writes: 1, Bytes: 1}, nil, nil); len(errs) != 0 {
		t.Error(errs)
	}
}

func mustCreate(t testing.TB, s *session.Session, path string) {
	t.Helper()
	if _, _, err := s.Create(context.Background(), path, nil); err != nil {
		t.Fatal(err)
	}
}
