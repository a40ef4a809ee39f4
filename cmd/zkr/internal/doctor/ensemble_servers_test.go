//go:build ensemble

package doctor

import (
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// realConfig returns a configuration for real servers. The session timeout allows for a busy
// machine.
func realConfig(t *testing.T, c *zktest.Cluster) Config {
	t.Helper()
	servers, _, err := session.ParseConnect(c.Connect())
	if err != nil {
		t.Fatal(err)
	}
	return Config{Servers: servers, Timeout: 40 * time.Second, ConnectTimeout: 20 * time.Second, CloseTimeout: 5 * time.Second, MaxBuffer: defaultMaxBuffer}
}

// noSession matches the answer to dump if there is no session.
var noSession = regexp.MustCompile(`Session Sets \(\d+\)/\(0\):`)

// leftOver fails the test if a node of an examination exists, or one of its sessions.
func leftOver(t *testing.T, c *zktest.Cluster, cfg Config) {
	t.Helper()
	dump, _, err := cfg.sendWord(t.Context(), c.Leader().Addr(), c.Leader().Addr(), "dump")
	if err != nil {
		t.Fatal(err)
	}
	if !noSession.MatchString(dump) || !strings.Contains(dump, "Sessions with Ephemerals (0)") {
		t.Errorf("left over:\n%s", dump)
	}
}

// codesOf counts the findings. The servers are behind proxies, which accept connections to a
// server that is down and reset them: that counts as unreachable.
func codesOf(r *Report) map[Code]int {
	found := make(map[Code]int)
	for _, f := range r.Findings() {
		if f.Code == NoAnswer {
			f.Code = Unreachable
		}
		found[f.Code]++
	}
	return found
}

// A healthy ensemble, then with a server less, without a majority, and without a server.
func TestRealEnsemble(t *testing.T) {
	c := zktest.Ensemble(t, 3)
	cfg := realConfig(t, c)
	r := examine(t, cfg)
	wantCodes(t, r)
	leader, followers, err := c.Roles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e := r.Ensemble; *e.Members != 3 || *e.Quorum != 2 || *e.Synced != 3 || e.Leader != leader.Addr() || len(e.Unknown) > 0 {
		t.Errorf("%+v", e)
	}
	for _, s := range r.Servers {
		if s.Supports != (Abilities{Create2: Yes, Containers: Yes, TTL: Yes, AddWatch: Yes, SASL: No}) || s.Clock == nil || *s.MaxBuffer != (Limit{Bytes: defaultMaxBuffer}) || len(s.Unknown) > 0 {
			t.Errorf("%+v", s)
		}
	}
	if r.Client.RollingRestart != Yes {
		t.Errorf("%+v", r.Client)
	}
	leftOver(t, c, cfg)

	followers[0].Kill()
	r = examine(t, cfg)
	found := codesOf(r)
	if found[Unreachable] != 1 || found[ServersMissing] != 1 || found[RollingRestart] != 1 || len(found) != 3 || *r.Ensemble.Synced != 2 {
		t.Errorf("%+v", r.Findings())
	}
	leftOver(t, c, cfg)

	leader.Kill()
	// The last server notices after a moment that there is no majority.
	for began := time.Now(); ; {
		r = examine(t, cfg)
		if found = codesOf(r); found[NotServing] > 0 {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("%+v", r.Ensemble)
		}
	}
	if !r.Reachable() || found[NotServing] != 1 || found[Unreachable] != 2 || found[NoQuorum] != 1 || len(found) != 3 {
		t.Errorf("%+v", r.Findings())
	}

	followers[1].Kill()
	if r = examine(t, cfg); r.Reachable() {
		t.Errorf("%+v", r.Findings())
	}
}

// By default servers list only srvr.
func TestRealServersListOnlySrvr(t *testing.T) {
	c := zktest.Ensemble(t, 3, zktest.WithConfig("4lw.commands.whitelist", "srvr"))
	r := examine(t, realConfig(t, c))
	wantCodes(t, r)
	if e := r.Ensemble; *e.Members != 3 || *e.Synced != 3 || e.Leader == "" || e.Nodes == nil || e.Watches != nil || !strings.Contains(e.Unknown["watches"], "mntr") {
		t.Errorf("%+v", e)
	}
}

// Servers that list no word at all are examined over sessions.
func TestRealServersListNoWord(t *testing.T) {
	c := zktest.Ensemble(t, 1, zktest.WithConfig("4lw.commands.whitelist", "srvr"), zktest.WithProperty("jute.maxbuffer", "300000"))
	cfg := realConfig(t, c)
	cfg.Dial = withWords((&net.Dialer{}).DialContext, map[string]map[string]string{cfg.Servers[0]: {}})
	r := examine(t, cfg)
	wantCodes(t, r, SmallBuffer)
	if s := r.Servers[0]; s.Mode != "" || s.Write == nil || *s.MaxBuffer != (Limit{300_000, true}) {
		t.Errorf("%+v", s)
	}
}

func TestRealServerRequiresCredentials(t *testing.T) {
	c := zktest.Ensemble(t, 1, zktest.WithProperty("zookeeper.enforce.auth.enabled", "true"), zktest.WithProperty("zookeeper.enforce.auth.schemes", "digest"))
	cfg := realConfig(t, c)
	r := examine(t, cfg)
	wantCodes(t, r, CredentialsMissing)
	if s := r.Servers[0]; s.Serving || s.Version == "" {
		t.Errorf("%+v", s)
	}
	cfg.Auth = []Credential{{"digest", []byte("ann:secret")}}
	cfg.Options = []session.Option{session.WithAuth("digest", []byte("ann:secret"))}
	r = examine(t, cfg)
	wantCodes(t, r)
	if s := r.Servers[0]; s.Clock == nil || s.Supports.AddWatch != Yes {
		t.Errorf("%+v", s)
	}
}
