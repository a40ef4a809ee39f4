package doctor

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// srvr returns the answer to srvr of a server in a mode.
func srvr(mode, version string) string {
	return fmt.Sprintf("Zookeeper version: %s-abc, built on 2024-01-01\nOutstanding: 1\nConnections: 1\nMode: %s\nNode count: 9\n", version, mode)
}

const threeServers = "clientPort=1\ntickTime=2000\nminSessionTimeout=4000\nmembership: \nserver.1=a:2888:3888:participant\nserver.2=b:2888:3888:participant\nserver.3=c:2888:3888:participant\nserver.4=d:2888:3888:observer\n"

// examineEnsemble examines a server for each map of words, named a:1, b:1 and so on.
func examineEnsemble(t *testing.T, timeout time.Duration, words ...map[string]string) *Report {
	t.Helper()
	srv := zktest.New(t)
	cfg := configOf(srv)
	cfg.Timeout, cfg.Servers = timeout, nil
	byServer := make(map[string]map[string]string)
	for i, w := range words {
		name := string(rune('a'+i)) + ":1"
		cfg.Servers = append(cfg.Servers, name)
		byServer[name] = w
	}
	cfg.Dial = withWords(srv.DialContext, byServer)
	return examine(t, cfg)
}

func TestEnsembles(t *testing.T) {
	words := func(mode, version, conf, mntr string) map[string]string {
		return map[string]string{"srvr": srvr(mode, version), "conf": conf, "mntr": mntr}
	}
	leader := words("leader", "3.9.5", threeServers, "zk_server_state\tleader\nzk_synced_followers\t2\nzk_quorum_size\t3\nzk_watch_count\t5\n")
	follower := words("follower", "3.9.5", threeServers, "zk_server_state\tfollower\nzk_quorum_size\t3\nzk_watch_count\t7\n")
	waiting := map[string]string{"srvr": "This ZooKeeper instance is not currently serving requests\n"}
	standalone := words("standalone", "3.9.5", "clientPort=1\n", "zk_watch_count\t1\n")
	for _, tt := range []struct {
		name    string
		timeout time.Duration
		words   []map[string]string
		codes   []Code
		restart Answer
		reason  string // a part of it
	}{
		{"all work", 0, []map[string]string{leader, follower, follower}, nil, Yes, "within 2.5s"},
		{"without mntr", 0, []map[string]string{{"srvr": srvr("leader", "3.9.5"), "conf": threeServers}, follower, follower}, nil, Yes, ""},
		{"one is down", 0, []map[string]string{
			words("leader", "3.9.5", threeServers, "zk_server_state\tleader\nzk_synced_followers\t1\n"), follower, waiting,
		}, []Code{NotServing, ServersMissing, RollingRestart}, No, "2 of 3 work"},
		{"one server is named", 0, []map[string]string{follower}, []Code{ServersNotListed, RollingRestart}, No, "only one server of the connect string serves"},
		{"an unnamed one is down", 0, []map[string]string{
			words("leader", "3.9.5", threeServers, "zk_server_state\tleader\nzk_synced_followers\t1\n"), follower,
		}, []Code{ServersMissing, ServersNotListed, RollingRestart}, No, "2 of 3 work"},
		{"a short timeout", 4 * time.Second, []map[string]string{leader, follower, follower}, []Code{RollingRestart}, No, "outages of 1s"},
		{"slow elections", 0, []map[string]string{
			words("leader", "3.9.5", threeServers, "zk_server_state\tleader\nzk_synced_followers\t2\nzk_max_leader_unavailable_time\t4232\n"), follower, follower,
		}, nil, Unknown, "without a leader for 4.23s"},
		{"two leaders", 0, []map[string]string{leader, leader, follower}, []Code{SeveralLeaders}, Yes, ""},
		{"no leader", 0, []map[string]string{follower, follower, follower}, []Code{NoLeader}, Yes, ""},
		{"one alone", 0, []map[string]string{leader, follower, standalone}, []Code{SeparateServers}, Yes, ""},
		{"two alone", 0, []map[string]string{standalone, standalone}, []Code{SeparateServers}, No, "only server"},
		{"versions", 0, []map[string]string{leader, words("follower", "3.8.4", threeServers, ""), follower}, []Code{VersionsDiffer}, Yes, ""},
		{"two members", 0, []map[string]string{
			words("leader", "3.9.5", "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n", "zk_synced_followers\t1\n"),
			words("follower", "3.9.5", "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n", ""),
		}, []Code{NotFaultTolerant, RollingRestart}, No, "each of two servers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				timeout := 10 * time.Second
				if tt.timeout != 0 {
					timeout = tt.timeout
				}
				r := examineEnsemble(t, timeout, tt.words...)
				wantCodes(t, r, tt.codes...)
				if c := r.Client; c.RollingRestart != tt.restart || !strings.Contains(c.Reason, tt.reason) {
					t.Errorf("rolling restart %q: %s", c.RollingRestart, c.Reason)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		e := examineEnsemble(t, 10*time.Second, leader, follower, follower).Ensemble
		if *e.Members != 3 || *e.Quorum != 2 || *e.Synced != 3 || e.Leader != "a:1" || *e.Watches != 19 || *e.Outstanding != 3 || *e.Nodes != 9 || len(e.Unknown) > 0 {
			t.Errorf("%+v", e)
		}
		e = examineEnsemble(t, 10*time.Second, map[string]string{"srvr": srvr("follower", "3.8.0"), "conf": threeServers}).Ensemble
		if e.Synced != nil || !strings.Contains(e.Unknown["working"], "mntr") || !strings.Contains(e.Unknown["watches"], "mntr") {
			t.Errorf("%+v", e)
		}
	})
}

// Servers that differ in what they support, in their buffers and in their timeouts.
func TestDifferences(t *testing.T) {
	serving := func(name string) *Server {
		return &Server{Server: name, Mode: "follower", Serving: true, Reachable: true, Timeout: Duration(time.Second), Unknown: Unknowns{},
			MaxBuffer: &Limit{Bytes: 5}, Supports: Abilities{Yes, Yes, Yes, Yes, No}}
	}
	for code, change := range map[Code]func(*Server){
		OperationsDiffer: func(s *Server) { s.Supports.TTL = No },
		BuffersDiffer:    func(s *Server) { s.MaxBuffer = &Limit{4, true} },
		TimeoutsDiffer:   func(s *Server) { s.Timeout = Duration(2 * time.Second) },
	} {
		a, b := serving("a:1"), serving("b:1")
		if e := newEnsemble([]*Server{a, b}); len(e.Findings) > 0 {
			t.Fatalf("equal servers: %+v", e.Findings)
		}
		change(b)
		e := newEnsemble([]*Server{a, b})
		if len(e.Findings) != 1 || e.Findings[0].Code != code || !strings.Contains(e.Findings[0].Message, "a:1") || !strings.Contains(e.Findings[0].Message, "b:1") {
			t.Errorf("%s: %+v", code, e.Findings)
		}
	}
}

// adminServer answers as the admin server of a real server with the given client port does.
func adminServer(t *testing.T, clientPort string) (port int) {
	answers := map[string]string{
		"configuration":     `{"client_port":` + clientPort + `,"tick_time":3000,"min_session_timeout":1000,"max_session_timeout":40000,"command":"configuration","error":null}`,
		"monitor":           `{"version":"3.8.0-x, built on 2024","server_state":"leader","outstanding_requests":4,"znode_count":12,"watch_count":34,"synced_followers":2,"quorum_size":3,"avg_latency":0.5,"command":"monitor","error":null}`,
		"system_properties": `{"jute.maxbuffer":"0x200000","command":"system_properties","error":null}`,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[strings.TrimPrefix(r.URL.Path, "/commands/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(s.Close)
	fmt.Sscanf(s.URL[strings.LastIndex(s.URL, ":")+1:], "%d", &port)
	return port
}

// The admin server tells what the words do not.
func TestAdminServer(t *testing.T) {
	srv := zktest.New(t)
	addr := srv.Addr()
	cfg := configOf(srv)
	cfg.Servers = []string{addr}
	cfg.Dial = withWords(srv.DialContext, map[string]map[string]string{addr: {}})
	_, port, _ := strings.Cut(addr, ":")
	cfg.AdminPort = adminServer(t, port)
	s := examine(t, cfg).Servers[0]
	if s.Version != "3.8.0" || s.Mode != "leader" || *s.Outstanding != 4 || *s.Nodes != 12 || *s.Watches != 34 || time.Duration(s.Tick) != 3*time.Second {
		t.Errorf("%+v", s)
	}
	if *s.MaxBuffer != (Limit{2 << 20, true}) {
		t.Errorf("jute.maxbuffer %+v", s.MaxBuffer)
	}

	// That of another server on the same machine is ignored, and so is another program.
	cfg.AdminPort = adminServer(t, "1")
	if s := examine(t, cfg).Servers[0]; s.Version != "" || s.Watches != nil {
		t.Errorf("%+v", s)
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "{}") }))
	defer other.Close()
	fmt.Sscanf(other.URL[strings.LastIndex(other.URL, ":")+1:], "%d", &cfg.AdminPort)
	if s := examine(t, cfg).Servers[0]; s.Version != "" || s.Mode != "" {
		t.Errorf("%+v", s)
	}
}
