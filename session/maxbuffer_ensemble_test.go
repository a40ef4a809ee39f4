//go:build ensemble

package session_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Writes that are longer than the jute.maxbuffer of real servers fail with an error
// that says so, and the session does not lose what it owns.
func TestRequestTooLongForRealServers(t *testing.T) {
	c := zktest.Ensemble(t, 1, zktest.WithProperty("jute.maxbuffer", "200000"))
	z := openAt(t, c.Connect())
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if _, _, err := z.Create(ctx, "/n", nil); err != nil {
		t.Fatal(err)
	}
	e, err := z.Epoch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	release, err := e.KeepProving(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	big := make([]byte, 250_000)
	calls := map[string]func() error{
		"create": func() error { _, _, err := z.Create(ctx, "/big", big); return err },
		"set":    func() error { _, err := z.Set(ctx, "/n", big, 0); return err },
		"transaction": func() error {
			_, err := z.TxnWithReceipt(ctx, session.OpSet("/n", big, 0), session.OpCheck("/", session.AnyVersion))
			return err
		},
	}
	for range 3 {
		for name, call := range calls {
			began := time.Now()
			err := call()
			if !errors.Is(err, session.ErrRejected) || errors.Is(err, session.ErrUnknown) || !strings.Contains(fmt.Sprint(err), "jute.maxbuffer") {
				t.Errorf("%s: %v", name, err)
			}
			t.Logf("%s: %v", name, time.Since(began).Round(time.Millisecond))
		}
	}
	if e.Err() != nil {
		t.Errorf("what the session holds is lost: %v", e.Err())
	}
}
