package lock

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// However the callers of a cohort end, the session keeps no cohort after the last of them.
func TestCohortIsRemoved(t *testing.T) {
	for _, tt := range []struct {
		name string
		use  func(t *testing.T, srv *zktest.Server, s *session.Session, m *Mutex, held *Lease)
	}{
		{"unlock", func(t *testing.T, _ *zktest.Server, _ *session.Session, _ *Mutex, held *Lease) {
			unlockLease(t, held)
		}},
		{"handoff", func(t *testing.T, _ *zktest.Server, _ *session.Session, m *Mutex, held *Lease) {
			next := make(chan *Lease)
			go func() {
				l, _ := m.Lock(t.Context())
				next <- l
			}()
			synctest.Wait()
			unlockLease(t, held)
			unlockLease(t, <-next)
		}},
		{"canceled wait for a handoff", func(t *testing.T, _ *zktest.Server, _ *session.Session, m *Mutex, held *Lease) {
			waitInCohort(t, m, context.DeadlineExceeded)
			unlockLease(t, held)
		}},
		{"refused TryLock", func(t *testing.T, _ *zktest.Server, _ *session.Session, m *Mutex, held *Lease) {
			if _, err := m.TryLock(t.Context()); !errors.Is(err, ErrLocked) {
				t.Errorf("TryLock returned %v", err)
			}
			unlockLease(t, held)
		}},
		{"canceled wait in the line", func(t *testing.T, srv *zktest.Server, _ *session.Session, m *Mutex, held *Lease) {
			rival, err := New(srv.Session(t), "/lock").Enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			unlockLease(t, held)
			other, err := rival.Lock(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			waitInCohort(t, m, context.DeadlineExceeded)
			if _, err := m.TryLock(t.Context()); !errors.Is(err, ErrLocked) {
				t.Errorf("TryLock returned %v", err)
			}
			unlockLease(t, other)
		}},
		{"loss", func(t *testing.T, srv *zktest.Server, s *session.Session, _ *Mutex, held *Lease) {
			srv.Expire(s.Status().ID)
			<-held.Context().Done()
		}},
		{"Close while a caller waits", func(t *testing.T, _ *zktest.Server, s *session.Session, m *Mutex, _ *Lease) {
			time.AfterFunc(time.Second, func() { s.Close(context.Background()) })
			waitInCohort(t, m, session.ErrClosed)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				s := srv.Session(t)
				m := New(s, "/lock", WithLocalHandoff(2))
				held, err := m.Lock(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if !hasCohort(m) {
					t.Error("the holder has no cohort")
				}
				tt.use(t, srv, s, m, held)
				synctest.Wait()
				if hasCohort(m) {
					t.Error("the cohort is left")
				}
			})
		})
	}
}

// hasCohort reports whether callers of m belong to a cohort.
func hasCohort(m *Mutex) bool {
	c, shared := session.Local(m.acquirer.line.Session, m.cohort, func(leave func()) *cohort { return &cohort{leave: leave} })
	c.leave()
	return shared
}

func waitInCohort(t *testing.T, m *Mutex, want error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := m.Lock(ctx); !errors.Is(err, want) {
		t.Errorf("Lock returned %v, want %v", err, want)
	}
}

func unlockLease(t *testing.T, l *Lease) {
	t.Helper()
	if err := l.Unlock(t.Context()); err != nil {
		t.Error(err)
	}
}
