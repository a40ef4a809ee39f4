package session_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// timeout is the session timeout that the tests request, and that serve grants.
const timeout = 4 * time.Second

// serve starts a server with the proportions of a real one: the timeout is four
// of its ticks.
func serve(t testing.TB, opts ...zktest.Option) *zktest.Server {
	t.Helper()
	return zktest.New(t, append([]zktest.Option{zktest.WithTick(timeout / 4)}, opts...)...)
}

// open connects to s over memory and closes the session when the test ends.
func open(t testing.TB, s *zktest.Server, opts ...session.Option) *session.Session {
	t.Helper()
	return openAt(t, "zk1:2181", append([]session.Option{session.WithDialer(s.DialContext)}, opts...)...)
}

func openAt(t testing.TB, connect string, opts ...session.Option) *session.Session {
	t.Helper()
	z, err := session.Connect(t.Context(), connect, append([]session.Option{session.WithTimeout(timeout)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { z.Close(context.Background()) })
	return z
}

// epoch returns the current epoch of z.
func epoch(t testing.TB, z *session.Session) *session.Epoch {
	t.Helper()
	e, err := z.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// await waits until f returns true while all goroutines are blocked, and fails the test
// after limit. It works only in synctest bubbles, where waiting takes no real time.
func await(t testing.TB, limit time.Duration, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		synctest.Wait()
		switch {
		case f():
			return
		case time.Now().After(end):
			t.Fatalf("after %v: %s is not so", limit, what)
		}
	}
}

// tree is the server's tree: path to the rest of the line that describes the
// node, such as `ephemeral v0 "data"`.
func tree(s *zktest.Server) map[string]string {
	nodes := make(map[string]string)
	for line := range strings.Lines(s.Tree()) {
		path, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		nodes[path] = rest
	}
	return nodes
}

// below counts the nodes whose path begins with prefix.
func below(s *zktest.Server, prefix string) (n int) {
	for path := range tree(s) {
		if strings.HasPrefix(path, prefix) {
			n++
		}
	}
	return n
}

// ephemerals counts the ephemeral nodes.
func ephemerals(s *zktest.Server) (n int) {
	for _, rest := range tree(s) {
		if strings.HasPrefix(rest, "ephemeral") {
			n++
		}
	}
	return n
}

// ops returns the names of the requests that a server has received.
func ops(s *zktest.Server) (names []string) {
	for _, r := range s.Requests() {
		names = append(names, r.Op)
	}
	return names
}

// count returns how many requests of this name the server has received.
func count(s *zktest.Server, op string) (n int) {
	for _, name := range ops(s) {
		if name == op {
			n++
		}
	}
	return n
}
