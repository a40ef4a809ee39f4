package config_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/session"
)

// become waits until ok accepts f, and reports an error if it never does.
func become(s *faulttable.Run, f follower, what string, ok func() bool) {
	timeout := time.Now().Add(5 * time.Minute)
	for changed := f.Changed(); !ok(); changed = f.Changed() {
		select {
		case <-changed:
		case <-time.After(time.Second): // Err tells of the connection, too, and Changed does not
		}
		if time.Now().After(timeout) {
			s.Errorf("%s does not come about; Err is %v", what, f.Err())
			return
		}
	}
}

// healthyTxn commits a transaction of the healthy session, which the faulty one is to see.
func healthyTxn(s *faulttable.Run, ops ...session.Op) {
	if _, err := s.Healthy.Txn(s.Context(), ops...); err != nil {
		s.Fatal(err)
	}
}

func TestFaultsValue(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		healthyTxn(s, session.OpCreate("/n", []byte(`{"rate":1}`)))
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		v, err := config.Open(ctx, s.Faulty, "/n", checked)
		if err != nil {
			s.Errorf("Open: %v", err)
			return
		}
		defer v.Close()
		if v.Load().Rate != 1 {
			s.Errorf("it begins as %v", v.Load())
		}
		healthyTxn(s, session.OpDelete("/n", -1), session.OpCreate("/n", []byte(`{"rate":2}`)))
		become(s, v, "a new value", func() bool { return v.Load().Rate == 2 })
		healthyTxn(s, session.OpSet("/n", []byte("nonsense"), -1))
		become(s, v, "a bad value", func() bool { return errors.Is(v.Err(), codec.ErrMalformed) })
		healthyTxn(s, session.OpDelete("/n", -1))
		become(s, v, "the end of it", func() bool { return errors.Is(v.Err(), session.ErrNoNode) })
		if v.Load().Rate != 2 || len(v.History()) != 2 {
			s.Errorf("it ends as %v, with %v behind it", v.Load(), v.History())
		}
	})
}

func TestFaultsUpdate(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		v, err := config.OpenOr(ctx, s.Faulty, "/n", checked, limits{})
		if err != nil {
			s.Errorf("OpenOr: %v", err)
			return
		}
		defer v.Close()
		done, unknown := 0, 0
		switch _, err := v.Update(ctx, add(1)); {
		case err == nil:
			if done++; v.Load().Rate < done {
				s.Errorf("after the update it is %v", v.Load())
			}
		case errors.Is(err, session.ErrUnknown) && errors.Is(err, session.ErrExpired):
			unknown++
		default:
			s.Errorf("Update: %v", err)
		}
		if _, err := config.Update(ctx, s.Healthy, "/n", checked, add(100)); err != nil {
			s.Fatal(err)
		}
		become(s, v, "the rival's", func() bool { return v.Load().Rate >= 100 })
		if n := v.Load().Rate - 100; n < done || n > done+unknown {
			s.Errorf("%d are done, %d unknown, and %d counted", done, unknown, n)
		}
	})
}

// An update whose context ends does not say that it is done or not done unless that
// is so.
func TestFaultsUpdateCanceled(t *testing.T) {
	for _, patience := range []time.Duration{time.Millisecond, 200 * time.Millisecond} {
		faulttable.Test(t, func(s *faulttable.Run) {
			healthyTxn(s, session.OpCreate("/n", []byte(`{"rate":0}`)))
			ctx, cancel := context.WithTimeout(s.Context(), patience)
			defer cancel()
			start := time.Now()
			_, err := config.Update(ctx, s.Faulty, "/n", checked, add(1))
			if d := time.Since(start); d > patience {
				s.Errorf("Update with a context of %v took %v", patience, d)
			}
			if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, session.ErrUnknown) {
				s.Errorf("Update: %v", err)
			}
			time.Sleep(time.Minute)
			stored, gerr := config.Get(s.Context(), s.Healthy, "/n", checked)
			n := stored.Value.Rate
			if gerr != nil || err == nil && n != 1 || err != nil && !errors.Is(err, session.ErrUnknown) && n != 0 || n > 1 {
				s.Errorf("Update returned %v, and what is stored is %d (%v)", err, n, gerr)
			}
		})
	}
}

// Opening is bounded by its context, and leaves nothing when that ends.
func TestFaultsOpenCanceled(t *testing.T) {
	for _, patience := range []time.Duration{time.Millisecond, 200 * time.Millisecond} {
		faulttable.Test(t, func(s *faulttable.Run) {
			ctx, cancel := context.WithTimeout(s.Context(), patience)
			defer cancel()
			start := time.Now()
			v, err := config.OpenOr(ctx, s.Faulty, "/n", checked, limits{})
			if err == nil {
				v.Close()
			} else if !errors.Is(err, context.DeadlineExceeded) {
				s.Errorf("OpenOr: %v", err)
			}
			tree, err := config.OpenTree(ctx, s.Faulty, "/conf", checked)
			if err == nil {
				tree.Close()
			} else if !errors.Is(err, context.DeadlineExceeded) {
				s.Errorf("OpenTree: %v", err)
			}
			if d := time.Since(start); d > patience {
				s.Errorf("with a context of %v they took %v", patience, d)
			}
		})
	}
}

func TestFaultsTree(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		healthyTxn(s, session.OpCreate("/conf", nil))
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		tree, err := config.OpenTree(ctx, s.Faulty, "/conf", codec.JSON[int]())
		if err != nil {
			s.Errorf("OpenTree: %v", err)
			return
		}
		defer tree.Close()
		healthyTxn(s, session.OpCreate("/conf/a", []byte("1")))
		become(s, tree, "a", func() bool { return text(tree.Load()) == "a=1" && tree.Err() == nil })
		healthyTxn(s, session.OpSet("/conf/a", []byte("nonsense"), -1))
		become(s, tree, "a bad a", func() bool { return text(tree.Load()) == "a=1" && bad(tree.Load()) == "a" })
	})
}
