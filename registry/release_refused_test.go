package registry_test

import (
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A removal that the server refuses says so, and is retried.
func TestDeregisterRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		r, err := registry.New(srv.Session(t), "").Register(t.Context(), registry.Instance{Service: "web", ID: "a", Addr: "10.0.0.1:80"})
		if err != nil {
			t.Fatal(err)
		}
		testkit.ReleaseRefused(t, srv.Session(t), "/services/web", r.Deregister)
	})
}
