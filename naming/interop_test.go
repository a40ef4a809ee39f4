//go:build interop

package naming_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/test/foreign"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
)

// countTogether has a program and a Sequence count at one node at the same time.
// Together they are given every number, and each of them once.
func countTogether(t *testing.T, s *session.Session, p *foreign.Program, opts ...naming.SequenceOption) {
	const each = 50
	q := naming.NewSequence(s, "/counter", opts...)
	mustNext(t, q)
	var l ledger
	var both sync.WaitGroup
	both.Go(func() {
		for range each {
			n, err := q.Next(t.Context())
			if err != nil {
				t.Error(err)
			}
			l.note(n, err)
		}
	})
	for _, word := range strings.Fields(p.Ask("/counter " + strconv.Itoa(each))) {
		n, err := strconv.ParseInt(word, 10, 64)
		l.note(n, err)
	}
	both.Wait()
	l.check(t)
	if n, err := q.Last(t.Context()); err != nil || n != 2*each+1 || len(l.given) != 2*each {
		t.Errorf("%d numbers, counted to %d, %v", len(l.given), n, err)
	}
}

func TestCurator(t *testing.T) {
	counter := foreign.Compile(t, "testdata/interop/Counter.java")
	foreign.EachServer(t, func(t *testing.T, s *session.Session, connect string) {
		countTogether(t, s, counter.Start(t, connect))
	})
}

func TestKazoo(t *testing.T) {
	foreign.EachServer(t, func(t *testing.T, s *session.Session, connect string) {
		countTogether(t, s, foreign.Python(t, "testdata/interop/counter.py", connect), naming.WithDecimal())
	})
}
