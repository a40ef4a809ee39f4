package lock_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/lock"
)

func TestFaultsPlace(t *testing.T) {
	faulttable.Sample(t, 7, func(s *faulttable.Run) {
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		rival, err := lock.New(s.Healthy, path).Lock(ctx)
		if err != nil {
			s.Fatal(err)
		}
		p, err := lock.New(s.Faulty, path).Enter(ctx)
		if err != nil {
			s.Errorf("Enter: %v", err)
			own(s, "healthy", rival)
			return
		}
		if n, err := p.Position(ctx); err != nil || n != 1 {
			s.Errorf("Position: %d, %v", n, err)
		}
		time.AfterFunc(time.Second, func() { rival.Unlock(s.Context()) })
		s.Owners.Begin("healthy", rival.Token(), rival.Context())
		l, err := p.Lock(ctx)
		if err != nil {
			s.Errorf("Lock: %v", err)
		} else {
			own(s, "faulty", l)
		}
		if err := p.Leave(ctx); err != nil {
			s.Errorf("Leave: %v", err)
		}
	})
}

// If Lock and Leave are canceled at any moment, they leave no node.
func TestFaultsPlaceIsLeft(t *testing.T) {
	faulttable.Sample(t, 7, func(s *faulttable.Run) {
		rival, err := lock.New(s.Healthy, path).Lock(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		p, err := lock.New(s.Faulty, path).Enter(ctx)
		if err != nil {
			s.Fatalf("Enter: %v", err)
		}
		short, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		if _, err := p.Lock(short); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), path) {
			s.Errorf("Lock: %v", err)
		}
		if err := p.Leave(ctx); err != nil {
			s.Errorf("Leave: %v", err)
		}
		own(s, "healthy", rival)
	})
}
