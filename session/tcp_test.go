package session_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Over a real network, with watches and requests of many goroutines, the session survives
// many broken connections: nothing is lost, and the race detector reports nothing.
func TestReconnectUnderTraffic(t *testing.T) {
	s := zktest.New(t)
	z := openAt(t, s.Addr(), session.WithAuth("digest", []byte("user:password")), session.WithTimeout(time.Minute),
		session.WithBackoff(func(int) time.Duration { return 10 * time.Millisecond }))
	e := epoch(t, z)
	release, err := e.KeepProving(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	const workers = 8
	var wg sync.WaitGroup
	quit := make(chan struct{})
	for i := range workers {
		path := fmt.Sprintf("/n%d", i)
		testkit.Create(t, z, path, "")
		wg.Go(func() {
			for version := int32(0); ; {
				select {
				case <-quit:
					return
				default:
				}
				// So many breaks look like a request that the server rejects, now and then.
				_, _, w, err := e.WatchExists(t.Context(), path)
				if errors.Is(err, session.ErrRejected) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				st, err := z.Set(t.Context(), path, []byte("data"), version)
				if err != nil && !errors.Is(err, session.ErrUnknown) && !errors.Is(err, session.ErrRejected) {
					t.Errorf("set version %d of %s: %v", version, path, err)
					return
				}
				if err != nil {
					unknown := errors.Is(err, session.ErrUnknown)
					for {
						if _, st, err = z.Get(t.Context(), path); !errors.Is(err, session.ErrRejected) {
							break
						}
					}
					if !unknown && st.Version != version {
						t.Errorf("version %d of %s was rejected, and is there", st.Version, path)
					}
					if err != nil || st.Version != version && st.Version != version+1 {
						t.Errorf("set version %d of %s: %+v, %v", version, path, st, err)
						return
					}
				}
				if st.Version > version {
					<-w.Fired()
				}
				w.Close()
				version = st.Version
			}
		})
	}
	for range 20 {
		broken := e.Suspended()
		cutAll(t, s)
		<-broken
		if _, err := z.Txn(t.Context(), session.OpCheck("/", session.AnyVersion)); err != nil && !errors.Is(err, session.ErrRejected) {
			t.Fatal(err)
		}
	}
	close(quit)
	wg.Wait()
	if e.Err() != nil || e.Number() != 1 {
		t.Errorf("epoch %d: %v", e.Number(), e.Err())
	}
	began := time.Now()
	if err := z.Close(t.Context()); err != nil || time.Since(began) > timeout {
		t.Errorf("close: %v after %v", err, time.Since(began))
	}
	s.Leaks(t)
}
