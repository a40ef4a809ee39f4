package naming_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The servers lose their data, and another client takes more numbers than before in
// the same number of writes. The node has the same version and another number.
func TestSequenceReadsAgainInANewSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		q := naming.NewSequence(s, "/q")
		if n, err := q.Next(t.Context()); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if err := srv.RestartEmpty(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if first, err := naming.NewSequence(srv.Session(t), "/q").Reserve(t.Context(), 100); first != 1 || err != nil {
			t.Fatal(first, err)
		}
		if n, err := q.Next(t.Context()); n != 101 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
	})
}
