//go:build ensemble

package queue_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Real servers with a larger jute.maxbuffer take items of 3 MB. Listings larger
// than 1 MB are read from all servers.
func TestLargerItemsOnRealServers(t *testing.T) {
	c := zktest.Ensemble(t, 3, zktest.WithProperty("jute.maxbuffer", fmt.Sprint(maxBuffer)), zktest.WithJVMFlags("-Xmx512m"))
	s, err := session.Connect(testkit.Soon(t), c.Connect(), session.WithMaxBuffer(maxBuffer))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.Close(ctx)
	}()
	testLargerItems(t, s)

	q := texts(s)
	vs := make([]string, 16_000) // whose names have 68 bytes
	for i := range vs {
		vs[i] = fmt.Sprint(i)
	}
	if _, err := q.PushAll(testkit.Soon(t), vs); err != nil {
		t.Fatal(err)
	}
	names, _, err := s.Children(testkit.Soon(t), path+"/items")
	if n := len(strings.Join(names, "")) + 4*len(names); err != nil || n <= 1<<20 {
		t.Fatalf("a list of %d names, %d bytes, %v", len(names), n, err)
	}
	mustPop(t, q, vs[:200]...)
}
