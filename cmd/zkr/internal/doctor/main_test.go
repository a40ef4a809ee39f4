package doctor

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

const (
	connectTimeout = 10 * time.Second
	closeTimeout   = 800 * time.Millisecond
)

// configOf returns a configuration that reaches srv in memory.
func configOf(srv *zktest.Server) Config {
	return Config{
		Servers: []string{"zk:2181"}, Timeout: 10 * time.Second, ConnectTimeout: connectTimeout, CloseTimeout: closeTimeout,
		MaxBuffer: defaultMaxBuffer, Dial: srv.DialContext,
	}
}

// examine examines the servers of cfg in the time that is allowed.
func examine(t *testing.T, cfg Config) *Report {
	t.Helper()
	began := time.Now()
	r, err := Examine(t.Context(), cfg, func(*Server) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	// A session that is being opened may be waited for as long as one that is closed.
	if took := time.Since(began); took > cfg.ConnectTimeout+3*cfg.CloseTimeout {
		t.Errorf("took %v", took)
	}
	for _, part := range []any{r.Servers[0], r.Ensemble, r.Client} {
		if _, err := json.Marshal(part); err != nil {
			t.Error(err)
		}
	}
	return r
}

// wantCodes checks the findings except the note that there is one server.
func wantCodes(t *testing.T, r *Report, want ...Code) {
	t.Helper()
	var got []Code
	for _, f := range r.Findings() {
		if f.Message == "" || f.Advice == "" {
			t.Errorf("finding %+v is incomplete", f)
		}
		if f.Code != NotFaultTolerant || f.Severity != Note {
			got = append(got, f.Code)
		}
	}
	if strings.Join(texts(got), " ") != strings.Join(texts(want), " ") {
		t.Errorf("findings %v, want %v: %+v", got, want, r.Findings())
	}
}

func texts(codes []Code) []string {
	var all []string
	for _, c := range codes {
		all = append(all, string(c))
	}
	return all
}

// onServer runs f in virtual time with a server, and checks that nothing is left on it.
func onServer(t *testing.T, f func(t *testing.T, srv *zktest.Server), opts ...zktest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, opts...)
		before := srv.Tree()
		f(t, srv)
		srv.Leaks(t)
		if after := srv.Tree(); after != before {
			t.Errorf("the tree was\n%sand is\n%s", before, after)
		}
	})
}

// withWords returns a dialer that answers four-letter words, by server and word, itself. A word
// that is not given is refused as by a server that does not list it. All other connections
// lead to dial.
func withWords(dial session.DialFunc, words map[string]map[string]string) session.DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		server, err := dial(ctx, network, addr)
		if err != nil || words[addr] == nil {
			return server, err
		}
		return &wordConn{Conn: server, words: words[addr]}, nil
	}
}

// wordConn answers a four-letter word that is the first write.
type wordConn struct {
	net.Conn
	words  map[string]string
	began  bool
	answer io.Reader
}

func (c *wordConn) Write(b []byte) (int, error) {
	if !c.began && len(b) == 4 {
		text, ok := c.words[string(b)]
		if !ok {
			text = string(b) + " is not executed because it is not in the whitelist.\n"
		}
		c.answer = strings.NewReader(text)
		return 4, nil
	}
	c.began = true
	return c.Conn.Write(b)
}

func (c *wordConn) Read(b []byte) (int, error) {
	if c.answer != nil {
		return c.answer.Read(b)
	}
	return c.Conn.Read(b)
}
