package election_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on the servers that ZKTEST selects.

func TestRunReturnsResult(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		s := target.Session(t)
		e := f.election(s, "a")
		type key struct{}
		ctx := context.WithValue(t.Context(), key{}, "value")
		for _, want := range []error{nil, errors.New("failed")} {
			calls := 0
			err := e.Run(ctx, func(ctx context.Context, term *election.Term) error {
				calls++
				if ctx.Value(key{}) != "value" || term.Context().Value(key{}) != "value" {
					t.Error("the values of the caller's context are missing")
				}
				if err := term.Verify(ctx); err != nil {
					t.Error(err)
				}
				return want
			})
			if !errors.Is(err, want) || want == nil && err != nil || calls != 1 {
				t.Errorf("Run: %v after %d calls", err, calls)
			}
			nothingLeft(t, target, s)
		}
	})
}

// The term lasts until fn has returned, however long that takes after its context is
// done.
func TestRunJoinsBeforeResigning(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		a, b := connect(t, target), connect(t, target)
		enough, result := errors.New("enough"), errors.New("result")
		ctx, cancel := context.WithCancelCause(t.Context())
		leads, proceed := make(chan *election.Term), make(chan struct{})
		var fctx context.Context
		ended := make(chan error)
		go func() {
			ended <- f.election(a.Session, "a").Run(ctx, func(ctx context.Context, term *election.Term) error {
				fctx = ctx
				leads <- term
				<-proceed
				return result
			})
		}()
		term := <-leads
		f.contend(t, 1, a, b)
		won := campaigning(t, f.election(b.Session, "b"))
		f.contend(t, 2, a, b)
		cancel(enough)
		<-fctx.Done()
		if !errors.Is(context.Cause(fctx), enough) {
			t.Errorf("fn's context ended with %v", context.Cause(fctx))
		}
		if err := term.Verify(t.Context()); err != nil {
			t.Errorf("while fn runs: %v", err)
		}
		select {
		case <-won:
			t.Error("the next leads while fn runs")
		case err := <-ended:
			t.Errorf("Run returned %v while fn runs", err)
		default:
		}
		close(proceed)
		if err := <-ended; err != result {
			t.Errorf("Run: %v", err)
		}
		if err := term.Err(); !errors.Is(err, election.ErrResigned) {
			t.Errorf("the term ended with %v", err)
		}
		resign(t, <-won)
		nothingLeft(t, target, a.Session, b.Session)
	})
}

// A lost term is followed by another once fn has returned. The result of fn is then
// ignored.
func TestRunAfterLoss(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		a, b := target.Session(t), target.Session(t)
		leads, proceed := make(chan *election.Term), make(chan error)
		var inside sync.Mutex
		causes := make(chan error, 10)
		ended := make(chan error)
		go func() {
			ended <- f.election(a, "a").Run(t.Context(), func(ctx context.Context, term *election.Term) error {
				if !inside.TryLock() {
					t.Error("fn runs twice")
				}
				defer inside.Unlock()
				leads <- term
				if err := <-proceed; err == nil {
					return nil
				}
				<-ctx.Done()
				causes <- context.Cause(ctx)
				return <-proceed
			})
		}()
		var last session.Zxid
		for range 3 {
			term := <-leads
			if term.Token() <= last {
				t.Errorf("token %v came after %v", term.Token(), last)
			}
			last = term.Token()
			if err := b.Delete(t.Context(), term.Path(), session.AnyVersion); err != nil {
				t.Fatal(err)
			}
			proceed <- errors.New("wait for the loss")
			if err := <-causes; !errors.Is(err, election.ErrLost) || !errors.Is(err, session.ErrNoNode) {
				t.Errorf("fn's context ended with %v", err)
			}
			if got := testkit.Children(t, b, path); len(got) != 0 {
				t.Errorf("it campaigns again while fn runs: %v", got)
			}
			proceed <- errors.New("of no account")
		}
		<-leads
		proceed <- nil
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		nothingLeft(t, target, a, b)
	})
}

// If the term is lost and ctx ends as well, Run returns both errors.
func TestRunLostAndEnded(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		s := target.Session(t)
		enough, result := errors.New("enough"), errors.New("result")
		ctx, cancel := context.WithCancelCause(t.Context())
		err := f.election(s, "a").Run(ctx, func(ctx context.Context, term *election.Term) error {
			if err := s.Delete(t.Context(), term.Path(), session.AnyVersion); err != nil {
				t.Error(err)
			}
			testkit.AwaitDoneSoon(t, term.Context())
			cancel(enough)
			return result
		})
		if !errors.Is(err, enough) || !errors.Is(err, result) {
			t.Errorf("Run: %v", err)
		}
		nothingLeft(t, target, s)
	})
}

func TestRunEndsWhileItCampaigns(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		c := connect(t, target)
		e := f.election(c.Session, "a")
		term := campaign(t, e)
		f.contend(t, 1, c)
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error)
		go func() {
			ended <- e.Run(ctx, func(context.Context, *election.Term) error {
				t.Error("fn was called")
				return nil
			})
		}()
		f.contend(t, 2, c)
		cancel(enough)
		if err := <-ended; !errors.Is(err, enough) {
			t.Errorf("Run: %v", err)
		}
		for len(testkit.Children(t, c.Session, path)) > 1 {
		}
		resign(t, term)
		nothingLeft(t, target, c.Session)
	})
}

func TestRunPanics(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		s := target.Session(t)
		var term *election.Term
		func() {
			defer func() {
				if r := recover(); r != "fn" {
					t.Errorf("recovered %v", r)
				}
			}()
			f.election(s, "a").Run(t.Context(), func(_ context.Context, l *election.Term) error {
				term = l
				panic("fn")
			})
		}()
		if err := term.Err(); !errors.Is(err, election.ErrResigned) {
			t.Errorf("the term ended with %v", err)
		}
		nothingLeft(t, target, s)
	})
}

// Programs that run the same election work one at a time, each with a higher token
// than the one before.
func TestRunsContend(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		target := zktest.Open(t)
		var leading sync.Mutex
		var last session.Zxid
		var all sync.WaitGroup
		var ss []*session.Session
		for range 4 {
			s := target.Session(t)
			ss = append(ss, s)
			all.Go(func() {
				for range 5 {
					if err := f.election(s, "a").Run(t.Context(), func(_ context.Context, term *election.Term) error {
						if !leading.TryLock() {
							return errors.New("two lead")
						}
						defer leading.Unlock()
						if term.Token() <= last {
							t.Errorf("token %v came after %v", term.Token(), last)
						}
						last = term.Token()
						return nil
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		nothingLeft(t, target, ss...)
	})
}
