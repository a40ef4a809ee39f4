package view_test

import (
	"context"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/session"
)

// follow opens a view of the faulty session. The healthy session makes one change
// after the other, each as soon as the view shows the previous one.
func follow(s *faulttable.Run, path string, opts view.Options, steps ...step) {
	ctx, cancel := context.WithTimeout(s.Context(), 5*time.Minute)
	defer cancel()
	v, err := view.Open(ctx, s.Faulty, path, opts)
	if err != nil {
		s.Errorf("Open: %v", err)
		return
	}
	defer v.Close()
	for _, step := range steps {
		if len(step.ops) > 0 {
			if _, err := s.Healthy.Txn(ctx, step.ops...); err != nil {
				s.Fatal(err)
			}
		}
		for snap, err := range v.Watch(ctx) {
			if err != nil {
				s.Errorf("it shows %q, not %q: %v", text(snap), step.want, err)
				return
			}
			if !snap.Settled {
				s.Errorf("%q is not settled", text(snap))
			}
			if text(snap) == step.want {
				break
			}
		}
	}
	time.Sleep(time.Minute)
	if err := v.Err(); err != nil {
		s.Errorf("Err in the end is %v", err)
	}
}

type step struct {
	ops  []session.Op
	want string
}

func do(ops ...session.Op) []session.Op { return ops }

func TestFaultsNode(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		follow(s, "/n", view.Options{},
			step{nil, "-"},
			step{do(session.OpCreate("/n", []byte("1"))), "1"},
			step{do(session.OpDelete("/n", -1), session.OpCreate("/n", []byte("2"))), "2"},
			step{do(session.OpDelete("/n", -1)), "-"},
		)
	})
}

func TestFaultsTree(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		if _, err := s.Healthy.Txn(s.Context(), session.OpCreate("/d", nil), session.OpCreate("/d/a", []byte("1"))); err != nil {
			s.Fatal(err)
		}
		follow(s, "/d", view.Options{Depth: view.Unlimited},
			step{nil, " a=1"},
			step{do(session.OpSet("/d/a", []byte("2"), -1), session.OpCreate("/d/a/x", []byte("3"))), " a=2 a/x=3"},
			step{do(session.OpDelete("/d/a/x", -1), session.OpDelete("/d/a", -1), session.OpCreate("/d/a", []byte("4"))), " a=4"},
		)
	})
}
