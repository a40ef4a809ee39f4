//go:build ensemble

package session_test

import (
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Real servers with enforce.auth.enabled.
func TestRealServerRequiresAuth(t *testing.T) {
	c := zktest.Ensemble(t, 1, zktest.WithProperty("zookeeper.enforce.auth.enabled", "true"), zktest.WithProperty("zookeeper.enforce.auth.schemes", "digest"))
	z, err := session.Connect(testkit.Within(t, time.Minute), c.Connect())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	defer func() {
		began = time.Now()
		t.Logf("close: %v after %v", z.Close(testkit.Within(t, time.Minute)), time.Since(began))
	}()
	_, _, err = z.Get(testkit.Within(t, time.Minute), "/")
	wantAuthRequired(t, err)
	_, _, err = z.Create(testkit.Within(t, time.Minute), "/a", nil)
	wantAuthRequired(t, err)
	_, err = z.TxnWithReceipt(testkit.Within(t, time.Minute), session.OpCreate("/a", nil))
	wantAuthRequired(t, err)
	wantAuthRequired(t, z.Sync(testkit.Within(t, time.Minute), "/"))
	t.Logf("refused after %v", time.Since(began))
	ann, err := session.Connect(testkit.Within(t, time.Minute), c.Connect(), session.WithAuth("digest", []byte("ann:secret")))
	if err != nil {
		t.Fatal(err)
	}
	testkit.Create(t, ann, "/a", "")
	if err := ann.Close(testkit.Within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
}
